"""scripts/deps.sh where something is missing and nothing may be installed: it says what, and what to type."""
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from synctest import ROOT, Case  # noqa: E402

NOBODY = 65534
USED = ["bash", "cc", "cmake", "id", "make", "openssl", "pkg-config", "sqlite3"]


class Deps(Case):
    def run_deps(self, without, also=()):
        """As somebody who is not root, with a PATH that holds what the script looks for and nothing else, but for `without`."""
        tools = self.path("tools")
        shutil.rmtree(tools, ignore_errors=True)
        tools.mkdir()
        for directory in (self.dir, tools):
            directory.chmod(0o755)
        for name in {*USED, *also} - set(without):
            (tools / name).symlink_to(shutil.which(name))
        with open(ROOT / "scripts" / "deps.sh", "rb") as script:
            done = subprocess.run([shutil.which("bash"), "-s"], stdin=script, capture_output=True, text=True, check=False, timeout=60, cwd="/",
                                  env={"PATH": str(tools)}, user=NOBODY if os.geteuid() == 0 else None)
        self.assertEqual("", done.stdout)
        return done.returncode, done.stderr.splitlines()

    def test_nothing_is_missing(self):
        self.assertEqual((0, []), self.run_deps([]))

    def test_it_may_not_install(self):
        status, said = self.run_deps(["sqlite3", "cmake"], also=["apt-get"])
        self.assertEqual(1, status)
        self.assertEqual(["Missing packages: cmake sqlite3", "They cannot be installed from here: this is not root, and there is no sudo.",
                          "To install them by hand, as root: apt-get update && apt-get install cmake sqlite3"], said)

    def test_libraries_without_pkg_config(self):
        status, said = self.run_deps(["pkg-config"], also=["apt-get"])
        self.assertEqual(1, status)
        self.assertIn("pkg-config libsqlite3-dev libzstd-dev libwebsockets-dev libjansson-dev libjwt-dev libssl-dev libcrypt-dev libsystemd-dev libcmocka-dev", said[-1])

    def test_a_failed_installation_leaves_no_log(self):
        """... and what the package manager said goes to a file that nobody else could have made before."""
        tools, tmp = self.path("tools"), self.path("tmp")
        for directory in (tools, tmp):
            directory.mkdir()
        for name in ("bash", "cc", "env", "mktemp", "pkg-config", "readlink", "rm", "tail"):
            (tools / name).symlink_to(shutil.which(name))
        for name, says in (("id", "echo 0"), ("apt-get", "echo $2 to; readlink /proc/$$/fd/1; exit 1")):
            (tools / name).write_text(f"#!{shutil.which('bash')}\n{says}\n", encoding="utf-8")
            (tools / name).chmod(0o755)
        done = subprocess.run([shutil.which("bash"), str(ROOT / "scripts" / "deps.sh")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=60, env={"PATH": str(tools), "TMPDIR": str(tmp)})
        said = done.stderr.splitlines()
        self.assertEqual((1, "update to", "Installing failed."), (done.returncode, said[2], said[4]), done.stderr)
        self.assertEqual(tmp, Path(said[3]).parent)
        self.assertEqual([], list(tmp.iterdir()))

    def test_another_system(self):
        status, said = self.run_deps(["make"])
        self.assertEqual(1, status)
        self.assertEqual(["Missing packages: make", "This is not a Debian system: the names above are Debian's.",
                          "To install them by hand, as root: apt-get update && apt-get install make"], said)


if __name__ == "__main__":
    unittest.main()
