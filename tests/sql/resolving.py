"""What the tests of sync_resolve share."""
from syncfile import SyncTest

CHOICES = ("ours", "theirs", "keep both")


class ResolveTest(SyncTest):
    def entry(self, file, **where):
        """The only entry of the list with these columns, as a dictionary."""
        cursor = file.extended.execute("SELECT * FROM sync_conflict")
        names = [d[0] for d in cursor.description]
        found = [dict(zip(names, row)) for row in cursor]
        found = [row for row in found if all(row[k] == v for k, v in where.items())]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def resolve(self, file, choice, **where):
        self.assertEqual(file.x("SELECT sync_resolve(?, ?)", self.entry(file, **where)["id"], choice), [(1,)])

    def side(self, file, of, **where):
        """Which choice is for the content whose newest cell `of` wrote."""
        entry = self.entry(file, **where)
        self.assertNotEqual(entry["our_site"], entry["their_site"])
        return "ours" if entry["our_site"] == of.site().hex() else "theirs"

    def settled(self, *files):
        """The files come to be equal, and nothing is listed in any."""
        self.level(*files)
        for file in files:
            self.assertEqual(file.x("SELECT tbl, key, reason, detail, held FROM sync_conflict"), [])
