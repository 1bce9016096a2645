"""Where a disk is full, a file may not grow, too few files may be open or the output takes nothing, one line says which, and nothing is lost."""
import os
import resource
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from failing import Failing  # noqa: E402
from synctest import plain  # noqa: E402


class Resources(Failing):
    def test_an_output_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            def into_full(*arguments):
                done = subprocess.run([str(synctest.PEER), *synctest.with_tls(arguments)], stdin=subprocess.DEVNULL, stdout=full, text=True,
                                      stderr=subprocess.PIPE, env=synctest.PEER_ENV, timeout=60, check=False)
                return done.returncode, done.stderr
            line = "sync-peer: standard output cannot be written: No space left on device\n"
            for option in ("--help", "--version"):
                self.assertEqual((1, line), into_full(option))
            a, b = self.make("a.db"), self.path("b.db")
            server = self.serve(a)
            status, err = into_full("clone", server.url, b, "--json")
            self.assertEqual((1, 1), (status, err.count(line)), err)
            self.assert_same(a, b)  # what it is for is done all the same
            status, err = into_full("sync", b, server.url.replace("/a", "/other"), "--once", "--json")
            self.assertEqual((9, 1), (status, err.count(line)), err)  # what else went wrong tells more

    def full(self, a, b):
        """Syncs a's rows into b, whose disk is too small for them."""
        server = self.serve(a)
        lines = self.fails(7, "sync", b, server.url, "--once", says="full")
        self.assertEqual(1, sum("full" in line for line in lines))
        return server

    def small_disk(self):
        small = self.path("small")
        small.mkdir()
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(small)],
                                               capture_output=True, check=False).returncode != 0:
            self.skipTest("needs the right to mount a small file system")
        self.addCleanup(subprocess.run, ["umount", "-l", str(small)], check=False)
        return small

    def test_a_disk_that_is_full_from_the_start(self):
        small = self.small_disk()
        db, filler = small / "a.db", small / "filler"
        plain(db, "PRAGMA journal_mode = wal; CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('mine', 1);")
        for left in (0, 4096, 40960):  # no room for the log, for its index, for what is tracked
            with self.subTest(left):
                with open(filler, "wb", buffering=0) as to:
                    while to.write(bytes(4096)) == 4096:
                        try:
                            os.posix_fallocate(to.fileno(), to.tell(), 4096)
                        except OSError:
                            break
                os.truncate(filler, filler.stat().st_size - left)
                self.one_line(7, "serve", db, "--listen", "127.0.0.1:0", says=f"the disk of {db.resolve()} is full; make room")
                filler.unlink()
        self.assertEqual("1", plain(db, "SELECT v FROM t"))

    def test_full_disk(self):
        small = self.small_disk()
        a, b = self.make("a.db", rows=5000), small / "b.db"
        plain(b, "CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('mine', 1);")
        server = self.full(a, b)
        self.assert_sound(b)
        self.assertEqual("1", plain(b, "SELECT count(*) FROM t WHERE id='mine'"))
        # with room again, everything arrives
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        status, _, err = self.run_peer("sync", b, server.url, "--once")
        self.assertEqual(0, status, err)
        self.assert_same(a, b)

    def test_file_size_limit(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        a, b = self.make("a.db", rows=5000), self.path("b.db")
        plain(b, "CREATE TABLE t(id TEXT PRIMARY KEY, v);")
        server = self.serve(a)
        self.fails(7, "sync", b, server.url, "--once", limit=limit, says="may not grow any more; allow this process larger files (ulimit -f)")
        self.assert_sound(b)
        self.assertEqual(0, self.run_peer("sync", b, server.url, "--once")[0])
        self.assert_same(a, b)

    def test_a_file_size_limit_from_the_start(self):
        for options in ([], ["--no-wal"]):
            for size in (512, 4096, 20_000):
                with self.subTest(options, size=size):
                    db = self.path(f"{size}{len(options)}.db")
                    plain(db, "CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('mine', 1);")
                    self.fails(7, "serve", db, "--listen", "127.0.0.1:0", *options, says=f"{db.resolve()}, or a file beside it, may not grow",
                               limit=lambda n=size: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)))
                    self.assertEqual("1", plain(db, "SELECT v FROM t"))

    def test_too_few_open_files(self):
        db, status = self.make("a.db"), 0
        plain(db, "PRAGMA journal_mode = wal")
        files = 5  # fewer do not start a program
        while status != 8:
            status, _, err = self.run_peer("sync", db, "ws://127.0.0.1:1/room", "--once",
                                           limit=lambda n=files: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))
            last = err.splitlines()[-1]
            if status != 8:
                self.assertEqual(1, status, err)
                self.assertIn("Too many open files; allow this process more open files (ulimit -n)", last)
                self.assertLess(files, 60, "so few are enough")
            files += 1
        self.assertGreater(files, 10, "the limit was reached")


if __name__ == "__main__":
    unittest.main()
