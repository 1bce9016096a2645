"""Files that are copied, restored or moved: nobody stamps under another's name, nothing is lost."""
import os
import shutil
import subprocess
import unittest

from syncfile import SyncTest, tick

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v);"


class Copies(SyncTest):
    def start(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 0)")
        self.level(a, b)
        return a, b

    def test_a_copy_takes_a_new_site(self):
        a, b = self.start()
        copy = self.copy(a, "copy")
        self.assertNotEqual(copy.site(), a.site())
        self.assertEqual(copy.rows("t"), a.rows("t"))
        a.sql("INSERT INTO t VALUES('from a', 1)")
        copy.sql("INSERT INTO t VALUES('from copy', 2)")
        a.sql("UPDATE t SET v = 'a' WHERE id = 'k'")
        tick()
        copy.sql("UPDATE t SET v = 'copy' WHERE id = 'k'")
        self.level(a, b, copy)
        self.assertEqual(b.sql("SELECT id, v FROM t ORDER BY id"), [("from a", 1), ("from copy", 2), ("k", "copy")])

    def test_a_copy_with_what_lies_beside_it(self):
        a, b = self.start()
        a.close()
        os.mkdir(self.path("elsewhere"))
        subprocess.run(["cp", *[str(self.path(n)) for n in os.listdir(self.dir) if n.startswith("a.db")], str(self.path("elsewhere"))], check=True)
        copy = self.open("elsewhere/a.db")
        self.assertNotEqual(copy.site(), a.site())
        copy.sql("INSERT INTO t VALUES('from copy', 2)")
        a.sql("INSERT INTO t VALUES('from a', 1)")
        self.level(a, b, copy)
        self.assertEqual(len(b.rows("t")), 3)

    def test_a_copy_written_before_the_extension_sees_it(self):
        a, b = self.start()
        copy = self.copy(a, "copy")
        copy.shell("INSERT INTO t VALUES('from copy', 2); UPDATE t SET v = 'copy' WHERE id = 'k';")
        a.shell("INSERT INTO t VALUES('from a', 1);")
        self.level(copy, b)
        self.level(a, b, copy)
        self.assertEqual(b.sql("SELECT id, v FROM t ORDER BY id"), [("from a", 1), ("from copy", 2), ("k", "copy")])

    def test_vacuum_into_and_backup_are_copies(self):
        a, b = self.start()
        a.sql("VACUUM INTO ?", str(self.path("vacuumed.db")))
        a.shell(f".backup '{self.path('backup.db')}'")
        others = [self.open("vacuumed.db"), self.open("backup.db")]
        self.assertEqual(len({f.site() for f in [a, b, *others]}), 4)
        for i, file in enumerate([a, b, *others]):
            file.sql("INSERT INTO t VALUES(?, ?)", f"row {i}", i)
        self.level(a, b, *others)
        self.assertEqual(len(a.rows("t")), 5)

    def test_a_dump_read_into_a_new_file(self):
        a, b = self.start()
        a.shell("UPDATE t SET v = 'not folded yet';")
        copy = self.open("dumped.db")
        copy.shell(a.shell(".dump"))
        self.assertNotEqual(copy.site(), a.site())
        copy.sql("INSERT INTO t VALUES('from copy', 2)")
        a.sql("INSERT INTO t VALUES('from a', 1)")
        self.level(a, b, copy)
        self.assertEqual(b.sql("SELECT id, v FROM t ORDER BY id"), [("from a", 1), ("from copy", 2), ("k", "not folded yet")])

    def test_the_copy_of_a_copy(self):
        files = list(self.start())
        for i in range(4):
            files.append(self.copy(files[-1], f"copy{i}"))
            for j, file in enumerate(files):
                file.sql("INSERT INTO t VALUES(?, ?)", f"{i} {j}", j)
        self.level(*files)
        self.assertEqual(len({f.site() for f in files}), len(files))
        self.assertEqual(len(files[0].rows("t")), 1 + 3 + 4 + 5 + 6)

    def test_two_copies_tracked_before_they_were_copied(self):
        a = self.file("a", T + "INSERT INTO t VALUES('g', 0);", "t")
        copy = self.copy(a, "copy")
        a.shell("UPDATE t SET v = 1;")
        self.level(a, copy)
        self.assertEqual(copy.sql("SELECT v FROM t"), [(1,)])


class Restores(SyncTest):
    def prepare(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('old', 0)")
        self.level(a, b)
        return a, b

    def check(self, a, b, site):
        self.assertNotEqual(a.site(), site)
        self.level(a, b)
        ids = [row[0] for row in a.sql("SELECT id FROM t ORDER BY id")]
        self.assertEqual(ids, ["after", "lost", "old"])

    def test_over_the_same_inode(self):
        for how in ("folded", "virtual", "pulled"):
            with self.subTest(how):
                self.dir = self.dir.parent / (self.dir.name + how)
                os.mkdir(self.dir)
                self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
                a, b = self.prepare()
                backup = a.snapshot()
                site = a.site()
                if how == "pulled":
                    b.sql("INSERT INTO t VALUES('lost', 1)")
                    a.pull(b)
                    a.sql("UPDATE t SET v = 2 WHERE id = 'lost'")
                else:
                    a.sql("INSERT INTO t VALUES('lost', 1)")
                if how == "folded":
                    a.fold()
                b.pull(a)
                a.overwrite(backup)
                self.assertEqual(a.sql("SELECT id FROM t"), [("old",)])
                a.sql("INSERT INTO t VALUES('after', 3)")
                self.check(a, b, site)

    def test_by_the_stock_shell(self):
        a, b = self.prepare()
        a.shell(f".backup '{self.path('backup')}'")
        site = a.site()
        a.sql("INSERT INTO t VALUES('lost', 1)")
        a.fold()
        b.pull(a)
        a.close()
        a.shell(f".restore '{self.path('backup')}'")
        a.sql("INSERT INTO t VALUES('after', 3)")
        self.check(a, b, site)

    def test_by_renaming_a_copy_over_it(self):
        a, b = self.prepare()
        backup = a.snapshot()
        site = a.site()
        a.sql("INSERT INTO t VALUES('lost', 1)")
        b.pull(a)
        a.close()
        with open(str(self.path("restored")), "wb") as f:
            f.write(backup)
        os.replace(self.path("restored"), a.path)
        for suffix in ("-wal", "-shm"):
            if os.path.exists(a.path + suffix):
                os.remove(a.path + suffix)
        a.sql("INSERT INTO t VALUES('after', 3)")
        self.check(a, b, site)

    def test_a_restore_of_what_was_never_told_needs_no_new_site(self):
        a, b = self.prepare()
        site = a.site()
        backup = a.snapshot()
        a.sql("INSERT INTO t VALUES('never told', 1)")
        a.overwrite(backup)
        self.assertEqual(a.site(), site)
        a.sql("INSERT INTO t VALUES('after', 3)")
        self.level(a, b)
        self.assertEqual(len(b.rows("t")), 2)

    def test_the_witness_lost_and_others_that_know_better(self):
        """Where nothing beside the file tells, the others do: they hold more of its site than itself."""
        a, b = self.prepare()
        backup = a.snapshot()
        site = a.site()
        a.sql("INSERT INTO t VALUES('lost', 1)")
        a.fold()
        b.pull(a)
        a.overwrite(backup)
        for name in os.listdir(self.dir):
            if name.startswith("a.db-"):
                os.remove(self.path(name))
        a.pull(b)
        a.sql("INSERT INTO t VALUES('after', 3)")
        self.check(a, b, site)


class Moves(SyncTest):
    def test_a_moved_file_keeps_its_site(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 0)")
        self.level(a, b)
        site = a.site()
        a.close()
        os.mkdir(self.path("new place"))
        for name in os.listdir(self.dir):
            if name.startswith("a.db"):
                os.rename(self.path(name), self.path("new place") / name.replace("a.db", "renamed.db"))
        moved = self.open("new place/renamed.db")
        self.assertEqual(moved.site(), site)
        moved.sql("INSERT INTO t VALUES('after the move', 1)")
        self.level(moved, b)
        self.assertEqual(len(b.rows("t")), 2)

    def test_vacuum_is_no_move(self):
        a, b = self.files("ab", T + "CREATE TABLE n(id INTEGER PRIMARY KEY, v);", "t", "n")
        a.sql("INSERT INTO t SELECT 'k' || value, randomblob(500) FROM json_each('[1,2,3,4,5,6,7,8,9]')")
        a.sql("INSERT INTO n SELECT value * 100, value FROM json_each('[1,2,3,4]')")
        self.level(a, b)
        site = a.site()
        a.sql("DELETE FROM t WHERE id > 'k3'")
        a.close()
        a.shell("VACUUM; PRAGMA page_size = 8192; PRAGMA journal_mode = delete; VACUUM;")
        self.assertEqual(a.site(), site)
        a.sql("INSERT INTO n(v) VALUES('after')")
        self.level(a, b)
        self.assertEqual((len(b.rows("t")), len(b.rows("n"))), (3, 5))

    def test_moved_without_what_lies_beside_it(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 0)")
        self.level(a, b)
        a.close()
        os.rename(a.path, self.path("moved.db"))
        moved = self.open("moved.db")
        moved.sql("INSERT INTO t VALUES('after the move', 1)")
        self.level(moved, b)
        self.assertEqual(len(b.rows("t")), 2)

    def test_a_new_file_in_the_place_of_another(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 0)")
        self.level(a, b)
        site = a.site()
        a.close()
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(a.path + suffix):
                os.remove(a.path + suffix)
        fresh = self.file("a", T, "t")         # the old one's witness still lies there
        self.assertNotEqual(fresh.site(), site)
        fresh.sql("INSERT INTO t VALUES('fresh', 1)")
        self.level(fresh, b)
        self.assertEqual(len(fresh.rows("t")), 2)

    def test_a_directory_that_cannot_be_written(self):
        """Where no witness can be written the file works all the same. A directory in its place stands in for that."""
        a, b = self.files("ab", T)
        os.mkdir(a.path + "-sync")
        a.track("t"), b.track("t")
        a.sql("INSERT INTO t VALUES('k', 0)")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [("k", 0)])


class Witness(SyncTest):
    def test_it_is_there_before_anything_leaves(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 0)")
        a.cut_for(b)
        self.assertTrue(os.path.exists(a.path + "-sync"))

    def test_one_that_is_damaged_is_none(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 0)")
        self.level(a, b)
        site = a.site()
        a.close()
        with open(a.path + "-sync", "wb") as f:
            f.write(b"\xff" * 7)
        self.assertEqual(a.site(), site)
        a.sql("INSERT INTO t VALUES('l', 0)")
        self.level(a, b)


if __name__ == "__main__":
    unittest.main()
