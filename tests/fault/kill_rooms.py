#!/usr/bin/python3
"""usage: kill_rooms.py SEED [KILLS]

A process that serves a folder of rooms, a follower of each, programs that write to the files at either end, and kill -9 of one of all these, mostly of the
process, again and again. On the way further rooms are made, by followers that come with rows. At the end every write that somebody was told is committed is
in both files of its room, and at no time does a file claim to hold what it does not.
"""
import json
import random
import sqlite3
import time

from kill import REST_S, Failed, Group, PeerProcess, ShellWriter, WriterProcess, check_claims, free_port, main, tracked
from plan import SCHEMA, Plan, Writer
from synctest import dump, eventually, plain
from victim import now_ms

ROOMS = ("red", "green", "blue")
BETWEEN_KILLS_S = 0.3
KILLS_PER_LOOK = 10
KILLS_PER_ROOM = 3  # a further one is made
MAKING_S = 0.1  # within which the process is killed then
BROUGHT = 40  # transactions that its follower comes with
OF_SERVER, OF_FOLLOWERS = 0.25, 0.75  # whom other kills hit; else a writer. Followers begin anew before they wait long for the process


class Brought:
    """Stands for a writer that has ended: what was in a follower's file before it met anybody."""

    def __init__(self, name, db):
        self.lives = [Writer(name)]
        plan, connection = Plan(name), sqlite3.connect(db, isolation_level=None)
        for _ in range(BROUGHT):
            statements = plan.next()
            self.lives[0].line(f"b {plan.count} {now_ms()}")
            connection.execute("BEGIN IMMEDIATE")
            for statement in "; ".join(statements).split("; "):
                connection.execute(statement)
            connection.execute("COMMIT")
            self.lives[0].line(f"a {plan.count} {now_ms()}")
        connection.close()


class Room(Group):
    """The file of a room, which the process makes, and that of a follower."""

    def __init__(self, directory, name, port):
        self.name, self.met = name, False
        self.files = [directory / "db" / f"{name}.db", directory / f"{name}-member.db"]
        plain(self.files[1], SCHEMA)
        self.follower = PeerProcess(directory, f"member-{name}", "sync", self.files[1], f"ws://127.0.0.1:{port}/{name}")

    def ready(self):
        """Both files are there, and tracked: writers may begin. A file that is not there must not be opened: that would make it."""
        self.met = self.met or (self.files[0].exists() and all(map(tracked, self.files)))
        return self.met

    def equal(self):
        return self.ready() and super().equal()

    def alive(self):
        self.follower.alive()


class Rooms:
    def __init__(self, seed, directory):
        self.seed, self.directory, self.dice, self.port = seed, directory, random.Random(seed), free_port()
        for folder in ("db", "sql"):
            (directory / folder).mkdir()
        (directory / "sql" / "default.sql").write_text(SCHEMA, encoding="utf-8")
        (directory / "peer.json").write_text(json.dumps({"listen": f"127.0.0.1:{self.port}", "dbFolder": "db", "schemaFolder": "sql", "create": True,
                                                         "limits": {"idleSeconds": 0}}), encoding="utf-8")
        self.server = PeerProcess(directory, "peer", "serve", "--config", directory / "peer.json")
        self.rooms = [Room(directory, name, self.port) for name in ROOMS]
        for room, end in zip(self.rooms, (0, 1, self.dice.randrange(2))):
            here, there = room.files if end == 0 else room.files[::-1]
            room.writers = [ShellWriter(directory, f"w{seed}-{room.name}-a", here), WriterProcess(directory, f"w{seed}-{room.name}-b", there)]
        self.writers = [writer for room in self.rooms for writer in room.writers]

    @property
    def followers(self):
        return [room.follower for room in self.rooms]

    def make_room(self, number):
        room = Room(self.directory, f"made-{number}", self.port)
        room.writers = [Brought(f"w{self.seed}-{room.name}", room.files[1])]
        self.rooms.append(room)
        room.follower.start()

    def kill_some(self, kills):
        for peer in (self.server, *self.followers):
            peer.start()
        eventually(lambda: all(room.ready() for room in self.rooms), "all rooms are made", REST_S)
        for writer in self.writers:
            writer.start()
        for kill in range(kills):
            makes = kill % KILLS_PER_ROOM == 0
            if makes:
                self.make_room(kill)
            time.sleep(self.dice.random() * (MAKING_S if makes else 2 * BETWEEN_KILLS_S))
            for victim in (self.server, *self.followers, *self.writers):
                victim.alive()
            kind = 0 if makes else self.dice.random()
            chosen = self.server if kind < OF_SERVER else self.dice.choice(self.followers[:len(ROOMS)] if kind < OF_FOLLOWERS else self.writers)
            chosen.kill()
            chosen.start()
            if kill % KILLS_PER_LOOK == KILLS_PER_LOOK - 1:
                self.look()

    def look(self):
        for room in self.rooms:
            if room.ready():
                check_claims(room.files)

    def come_to_rest(self):
        """No more writes; what is still on its way arrives."""
        for writer in self.writers:
            writer.kill()
        for follower in self.followers:  # what waits before it tries again has waited long enough
            follower.kill()
            follower.start()
        for room in self.rooms:
            eventually(room.equal, lambda r=room: f"equal files of room {r.name}: " + (r.difference() if r.met else "there are not both"), REST_S)
        self.server.alive()
        self.look()
        for peer in (self.server, *self.followers):
            peer.kill()

    def check(self):
        strangers = {db.name for db in (self.directory / "db").glob("*.db")} - {room.files[0].name for room in self.rooms}
        if strangers:
            raise Failed(f"files of no room are left: {strangers}")
        for room in self.rooms:
            for db in room.files:
                dump(db)  # recovers it: whoever only reads cannot
            room.check()

    def counts(self):
        lives = [life for room in self.rooms for writer in room.writers for life in writer.lives]
        return sum(len(life.acked) for life in lives), sum(victim.life for victim in (self.server, *self.followers, *self.writers))

    def end(self):
        for victim in (self.server, *self.followers, *self.writers):
            if victim.process and victim.process.poll() is None:
                victim.process.kill()
                victim.process.wait()


if __name__ == "__main__":
    main(Rooms)
