"""What a writer writes: transactions that follow from a seed alone, so that whoever knows how many were acknowledged knows what must be there.

Rows of `own`, `part` belong to one writer each, whose name their keys begin with. Rows of `hot` are everybody's. Rows of `num` get numbers
that other files hand out, too; their tags are a writer's own.
"""
import random

SCHEMA = """
CREATE TABLE own(id TEXT PRIMARY KEY, v INTEGER, w TEXT);
CREATE TABLE part(id TEXT PRIMARY KEY, own TEXT REFERENCES own(id), v BLOB);
CREATE INDEX part_own ON part(own);
CREATE TABLE hot(id TEXT PRIMARY KEY, a TEXT, b TEXT);
CREATE TABLE num(id INTEGER PRIMARY KEY, tag TEXT);
"""
HOT_ROWS = 5
OWN_ROWS = 40
LONG_ROWS = 300  # of the transaction that comes now and then: its merge takes long enough to be killed within


class Plan:
    """The transactions of the writer `name`, one after the other: `next` gives one as SQL; `own`, `part`, `tags`, `hot` are what there is after it."""

    def __init__(self, name):
        self.name = name
        self.dice = random.Random(name)
        self.count = 0
        self.own, self.part, self.tags, self.hot = {}, {}, set(), {}

    def next(self):
        self.count += 1
        kind = self.dice.random()
        if kind < 0.02:
            return [self._insert(f"long{self.count}.{i}") for i in range(LONG_ROWS)]
        return [self._statement() for _ in range(self.dice.randint(1, 5))]

    def _statement(self):
        kind = self.dice.random()
        if kind < 0.15:
            tag = f"{self.name}.{len(self.tags)}"
            self.tags.add(tag)
            return f"INSERT INTO num(tag) VALUES('{tag}')"
        if kind < 0.35:
            row, column = f"hot{self.dice.randrange(HOT_ROWS)}", self.dice.choice("ab")
            value = f"{self.name}/{self.count}/{self.dice.randrange(10 ** 6)}"
            self.hot[row, column] = (value, self.count)
            return (f"INSERT INTO hot(id, {column}) VALUES('{row}', '{value}') ON CONFLICT(id) DO UPDATE SET"
                    f" {column} = excluded.{column}")
        if kind < 0.6 or not self.own:
            return self._insert(self.dice.randrange(OWN_ROWS))
        row = self.dice.choice(sorted(self.own))
        if kind < 0.8:
            self.own[row] = (self.dice.randrange(10 ** 9), self.own[row][1])
            return f"UPDATE own SET v = {self.own[row][0]} WHERE id = '{row}'"
        if kind < 0.9:
            part = f"{self.name}.p{self.dice.randrange(OWN_ROWS)}"
            self.part[part] = (row, self.dice.randbytes(20))
            return f"INSERT OR REPLACE INTO part VALUES('{part}', '{row}', x'{self.part[part][1].hex()}')"
        return self._delete(row)

    def _insert(self, number):
        row = f"{self.name}.{number}"
        self.own[row] = (self.dice.randrange(10 ** 9), "x" * self.dice.randrange(200))
        return (f"INSERT INTO own VALUES('{row}', {self.own[row][0]}, '{self.own[row][1]}')"
                " ON CONFLICT(id) DO UPDATE SET v = excluded.v, w = excluded.w")

    def _delete(self, row):
        del self.own[row]
        self.part = {k: v for k, v in self.part.items() if v[0] != row}
        return f"DELETE FROM part WHERE own = '{row}'; DELETE FROM own WHERE id = '{row}'"


class Writer:
    """One life of a writer, as its journal tells: lines `b N MS` before transaction N began, `a N MS` once its COMMIT had returned."""

    def __init__(self, name):
        self.name = name
        self.began, self.acked = {}, {}
        self.died = None  # milliseconds; None: it lives, or ended by itself

    def line(self, text):
        what, number, ms = text.split()
        (self.began if what == "b" else self.acked)[int(number)] = int(ms)

    def states(self):
        """What its rows may be: after the last acknowledged transaction, or after one more, which it had begun."""
        plan = Plan(self.name)
        for _ in range(len(self.acked)):
            plan.next()
        yield plan
        if len(self.began) > len(self.acked):
            more = Plan(self.name)
            for _ in range(len(self.began)):
                more.next()
            yield more

    def writes_of_hot(self):
        """(row, column, value, began, ended) of each write to a common row; ended is when it was certain."""
        plan = Plan(self.name)
        for number in range(1, len(self.began) + 1):
            before = dict(plan.hot)
            plan.next()
            for cell, written in plan.hot.items():
                if before.get(cell) != written:
                    yield cell, written[0], self.began[number], self.acked.get(number)
