"""The version of a file never goes back, whatever goes away: the newest rows, the journal's superseded entries, the process, the log.
Whoever asked for what came after a version would otherwise miss what is written under numbers that were given out before."""
import signal
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402

T = "CREATE TABLE t(id INTEGER PRIMARY KEY, v);"


class Versions(SyncTest):
    def version_anew(self, file):
        """As a process sees it that has just begun."""
        file.close()
        return int(file.xshell("SELECT sync_version();"))

    def test_no_restart_takes_it_back(self):
        a, b = self.files("ab", T, "t")
        steps = ["INSERT INTO t VALUES(1, 0), (2, 0), (3, 0);", "DELETE FROM t WHERE id = 3;", "DELETE FROM t;", "INSERT INTO t VALUES(9, 0);",
                 "UPDATE t SET v = 1;", "UPDATE t SET v = 1;", "BEGIN; INSERT INTO t VALUES(10, 0); ROLLBACK;", "INSERT OR REPLACE INTO t VALUES(9, 5);"]
        between = ["SELECT sync_fold();", "PRAGMA wal_checkpoint(TRUNCATE);", "VACUUM;", "PRAGMA journal_mode = delete;", "PRAGMA journal_mode = wal;"]
        versions = [self.version_anew(a)]
        for step in steps:
            a.shell(step)
            versions.append(self.version_anew(a))
            for statement in between:
                a.xshell(statement)
                versions.append(self.version_anew(a))
        self.assertEqual(versions, sorted(versions))
        b.apply(a.changeset(0))
        self.assertEqual(b.rows("t"), a.rows("t"))

    def test_what_is_written_after_a_version_is_above_it(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES(0, NULL)")
        b.pull(a)
        for i in range(6):
            version = self.version_anew(a)
            a.shell(f"DELETE FROM t; INSERT INTO t VALUES({i % 2}, {i});")
            if i % 3 == 0:
                a.xshell("SELECT sync_fold();")
            a.close()
            changes = a.changeset(version)
            self.assertGreater(b.apply(changes), 0)
            self.assertEqual(b.sql("SELECT v FROM t"), [(i,)])

    def test_a_writer_is_killed_in_its_transaction(self):
        a = self.file("a", T, "t")
        a.sql("INSERT INTO t VALUES(1, 0)")
        a.close()
        versions = []
        for i in range(3):
            versions.append(self.version_anew(a))
            writer = subprocess.Popen(["sqlite3", "-batch", a.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            writer.stdin.write(f"INSERT INTO t VALUES({i + 2}, 'stays');\nBEGIN;\nPRAGMA cache_size = 1;\n"
                               "INSERT INTO t SELECT value, zeroblob(9000) FROM json_each('[100,101,102,103,104,105,106,107]');\nSELECT 'written';\n")
            writer.stdin.flush()
            self.assertEqual(writer.stdout.readline(), "written\n")
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        versions.append(self.version_anew(a))
        self.assertEqual(versions, sorted(set(versions)))  # each committed row raised it, what was not committed is gone
        self.assertEqual(a.sql("SELECT count(*) FROM t"), [(4,)])


if __name__ == "__main__":
    unittest.main()
