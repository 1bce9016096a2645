"""Rules for rows, with dice: what three members have in the end is what they may see."""
import os
import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from ruled import OWN, Ruled, rows_of  # noqa: E402
from synctest import ask, eventually  # noqa: E402


class Random(Ruled):
    """Three members and one who sees all, with numbers as keys, references, unique values; on and off, killed and not. In the end everybody has what the rules let him see."""
    schema = ("CREATE TABLE list(id INTEGER PRIMARY KEY, owner TEXT, title TEXT UNIQUE);"
              "CREATE TABLE item(id INTEGER PRIMARY KEY, list INTEGER REFERENCES list, body TEXT);"
              "CREATE TABLE note(id TEXT PRIMARY KEY, owner TEXT, body TEXT);")
    rules = [*OWN, {"table": "list", "read": "owner = :user"}, {"table": "item", "read": "list IN (SELECT id FROM main.list WHERE owner = :user)"}]
    users = ("ann", "bob", "cis")

    def step(self, dice, user):
        owner, key = dice.choice((*self.users, user, user, "all")), dice.randint(1, 6)
        return dice.choice((
            f"INSERT OR IGNORE INTO note VALUES('{key}', '{owner}', 'b{dice.randint(0, 99)}')",
            f"UPDATE note SET body = 'b{dice.randint(0, 99)}' WHERE id = '{key}'",
            f"UPDATE note SET owner = '{owner}' WHERE id = '{key}'",
            f"DELETE FROM note WHERE id = '{key}'",
            f"INSERT OR IGNORE INTO list(owner, title) VALUES('{owner}', 't{dice.randint(0, 9)}')",
            f"UPDATE list SET owner = '{owner}' WHERE id = (SELECT id FROM list LIMIT 1 OFFSET {key % 3})",
            f"INSERT INTO item(list, body) VALUES((SELECT max(id) FROM list), 'i{dice.randint(0, 99)}')",
            f"UPDATE item SET list = (SELECT min(id) FROM list), body = 'm' WHERE id % 5 = {key % 5}",
            f"DELETE FROM item WHERE id % 7 = {key}",
            "DELETE FROM list WHERE id = (SELECT max(id) FROM list) AND NOT EXISTS (SELECT 1 FROM item WHERE list = list.id)",
        ))

    def content(self, db, user=None):
        """What is in a file, but for the numbers; of what `user` may see."""
        mine = f"owner = '{user}'" if user else "1"
        return [ask(db, f"SELECT json_group_array(x) FROM (SELECT json_array(id, owner, body) AS x FROM note WHERE {mine} OR owner = 'all' ORDER BY id)"),
                ask(db, f"SELECT json_group_array(x) FROM (SELECT json_array(owner, title) AS x FROM list WHERE {mine} ORDER BY 1)"),
                ask(db, f"SELECT json_group_array(x) FROM (SELECT json_array(body, title) AS x FROM item JOIN list ON list.id = item.list WHERE {mine} ORDER BY 1)")]

    def settled(self, db, user):
        """Has he all that he may see? What was refused of his own stays with him, and he may have put it upon rows that he sees."""
        refused = ask(db, "SELECT count(*) FROM sync_conflict WHERE reason = 'rule'")
        return self.content(self.file, user) == self.content(db) or (refused and self.allowed(db, user))

    def allowed(self, db, user):
        """The same, but for rows that sync_conflict lists as refused, and those that have the same UNIQUE value."""
        key = "(SELECT json_extract(key, '$[0]') FROM sync_conflict WHERE tbl = '{0}' AND (reason IN ('rule', 'unique') OR held))"
        for table, columns in (("note", "id, owner, body"), ("list", "id, owner, title"), ("item", "id, list, body")):
            seen = {"note": f"owner = '{user}' OR owner = 'all'", "list": f"owner = '{user}'",
                    "item": f"list IN (SELECT id FROM list WHERE owner = '{user}')"}[table]
            theirs = set(map(tuple, rows_of(self.file, f"SELECT {columns} FROM {table} WHERE {seen}")))
            own = set(map(tuple, rows_of(db, f"SELECT {columns} FROM {table} WHERE id NOT IN {key.format(table)}")))
            kept = {row[0] for row in rows_of(db, key.format(table)[1:-1])}
            if own - theirs or {row for row in theirs - own if row[0] not in kept}:
                return False
        return True

    def test_everybody_has_what_he_may_see(self):
        seed = int(os.environ.get("SYNC_SEED", random.randrange(1 << 30)))
        dice = random.Random(seed)
        peer = self.serve_ruled()
        files, processes = {}, {}
        for user in (*self.users, "root"):
            files[user], processes[user] = self.admin(peer) if user == "root" else self.member(peer, user)
        for _ in range(60):
            user = dice.choice((*self.users, "root"))
            fate = dice.random()
            if fate < 0.12 and processes[user]:
                (processes[user].kill if fate < 0.04 else processes[user].stop)()
                processes[user] = None
            elif fate < 0.3 and not processes[user]:
                processes[user] = (self.admin(peer) if user == "root" else self.member(peer, user))[1]
            else:
                self.put(files[user], self.step(dice, user if user != "root" else dice.choice(self.users)))
        for user in files:
            if not processes[user]:
                (self.admin(peer) if user == "root" else self.member(peer, user))
        with self.subTest(replay=f"SYNC_SEED={seed} tests/e2e/test_peer_rules_random.py"):
            eventually(lambda: self.content(self.file) == self.content(files["root"]), lambda: f"seed {seed}: {self.content(self.file)} {self.content(files['root'])}")
            for user in self.users:
                eventually(lambda: self.settled(files[user], user),
                           lambda: f"seed {seed}: {user} has {self.content(files[user])}, and may see {self.content(self.file, user)}; {rows_of(files[user], 'SELECT tbl, key, reason, held, ours, theirs, detail FROM sync_conflict')}")
            for db in (self.file, *files.values()):
                self.assertEqual(ask(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0)
                self.assertEqual(ask(db, "PRAGMA integrity_check"), "ok")


if __name__ == "__main__":
    unittest.main()
