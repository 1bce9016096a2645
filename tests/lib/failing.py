"""Peers that end by themselves because something is wrong: the exit status, and what they say."""
import subprocess

import synctest
from synctest import Case, plain


class Failing(Case):
    def make(self, name, rows=1):
        db = self.path(name)
        plain(db, "CREATE TABLE t(id TEXT PRIMARY KEY, v);"
                  f"WITH c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < {rows})"
                  " INSERT INTO t SELECT 'k'||i, hex(randomblob(100)) FROM c;")
        return db

    def fails(self, status, *arguments, says="", **options):
        got, out, err = self.run_peer(*arguments, **options)
        self.assertEqual(status, got, out + err)
        lines = err.strip().splitlines()
        self.assertTrue(all(line.startswith("sync-peer: ") for line in lines), err)
        self.assertIn(says, lines[-1] if lines else "")
        return lines

    def one_line(self, *arguments, **options):
        self.assertEqual(1, len(self.fails(*arguments, **options)))

    def run_peer(self, *arguments, user=None, limit=None):
        if user is None and limit is None:
            return super().run_peer(*arguments)
        done = subprocess.run([str(synctest.PEER), *synctest.with_tls(arguments)], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, env=synctest.PEER_ENV, timeout=60, check=False, user=user,
                              preexec_fn=limit)
        return done.returncode, done.stdout, done.stderr
