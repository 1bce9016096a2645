"""The Debian packages: made once, unpacked, installed into a folder as root would, and used from there."""
import functools
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from synctest import BUILD, SANITIZER, patiently, plain  # noqa: E402

PACKAGES = ("libsync-dev", "sync-ext", "sync-peer")
TOOLS = ("cpack", "dpkg-deb", "dpkg-shlibdeps")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)


@functools.cache
def packages():
    """{name: file}, made for all classes of this file, and gone with them."""
    folder = tempfile.mkdtemp(prefix="sync-packages-")
    unittest.addModuleCleanup(shutil.rmtree, folder, ignore_errors=True)
    # Of another generator than Ninja cpack builds what is not up to date, while another test may be building there.
    done = run("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", folder, "-D", "CPACK_CMAKE_GENERATOR=Ninja")
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return {path.name.split("_")[0]: path for path in Path(folder).glob("*.deb")}


@unittest.skipIf(MISSING, f"not installed: {' '.join(MISSING)}")
@unittest.skipIf(SANITIZER, "packages are made from the release build")
class Made(synctest.Case):
    """The packages, and what is in them: `root` is where they are unpacked, `libraries` where libraries are there."""

    @classmethod
    def setUpClass(cls):
        cls.packages = packages()
        cls.root = Path(tempfile.mkdtemp(prefix="sync-unpacked-"))
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        for path in cls.packages.values():
            subprocess.run(["dpkg-deb", "-x", path, cls.root], check=True)
        cls.libraries = next(cls.root.glob("usr/lib/**/libsync_engine.a")).parent

    def field(self, package, name):
        return run("dpkg-deb", "-f", self.packages[package], name).stdout.strip()


class Contents(Made):
    def test_there_are_three(self):
        self.assertEqual(list(PACKAGES), sorted(self.packages))

    def test_dependencies_are_those_of_the_programs(self):
        self.assertRegex(self.field("sync-ext", "Depends"), "libzstd1")
        self.assertNotIn("libwebsockets", self.field("sync-ext", "Depends"))
        for library in ("libwebsockets", "libsqlite3-0", "libjansson4", "libjwt", "libssl", "libsystemd0", "systemd-sysusers"):
            self.assertIn(library, self.field("sync-peer", "Depends"))
        for library in ("libsqlite3-dev", "libzstd-dev"):
            self.assertIn(library, self.field("libsync-dev", "Depends"))

    def test_where_things_are(self):
        for path in ("usr/bin/sync-peer", "usr/include/sync_ext.h", "usr/share/man/man1/sync-peer.1.gz", "usr/share/man/man3/sync_ext.3.gz",
                     "usr/lib/systemd/system/sync-peer.service", "usr/lib/systemd/system/sync-peer.socket", "usr/lib/sysusers.d/sync-peer.conf",
                     "usr/share/bash-completion/completions/sync-peer", "usr/share/zsh/vendor-completions/_sync-peer", "etc/sync-peer/peer.json",
                     "usr/share/doc/sync-ext/SQL.md", "usr/share/doc/sync-peer/CONFIG.md"):
            self.assertTrue((self.root / path).is_file(), path)
        self.assertRegex((self.libraries / "pkgconfig" / "sync_ext.pc").read_text(encoding="utf-8"), "^prefix=/usr\n")
        self.assertEqual("/etc/sync-peer/peer.json", run("dpkg-deb", "-I", self.packages["sync-peer"], "conffiles").stdout.strip())

    def test_the_service_is_shut_in(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        said = run("systemd-analyze", "security", "--no-pager", "--offline=true", self.root / "usr/lib/systemd/system/sync-peer.service").stdout
        found = re.search(r"Overall exposure level for sync-peer.service: ([\d.]+)", said)
        self.assertIsNotNone(found, said)
        self.assertLessEqual(float(found.group(1)), 1.5, said)

    def test_lintian_finds_no_error(self):
        if not shutil.which("lintian"):
            self.skipTest("lintian is not installed")
        done = run("lintian", "--fail-on", "error", *self.packages.values())
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


class Used(Made):
    def setUp(self):
        super().setUp()
        patch = mock.patch.object(synctest, "PEER", self.root / "usr/bin/sync-peer")
        patch.start()
        self.addCleanup(patch.stop)

    def test_the_stock_shell_loads_the_extension_by_its_name(self):
        done = run("sqlite3", "-batch", "-init", "/dev/null", "-cmd", ".load sync_ext", ":memory:", "SELECT sync_describe(NULL) IS NULL",
                   env=dict(os.environ, LD_LIBRARY_PATH=str(self.libraries)))
        self.assertEqual(("1\n", 0), (done.stdout, done.returncode), done.stderr)

    def test_the_version(self):
        status, said, err = self.run_peer("--version")
        self.assertEqual((0, f"sync-peer {self.field('sync-peer', 'Version').split('-')[0]}\n"), (status, said), err)

    def test_the_example_is_good_and_served(self):
        shipped = self.root / "etc/sync-peer/peer.json"
        config = json.loads(shipped.read_text(encoding="utf-8"))
        self.assertEqual(("/var/lib/sync-peer", "127.0.0.1:7420"), (config["dbFolder"], config["listen"]))
        self.path("rooms").mkdir()
        self.path("peer.json").write_text(json.dumps(dict(config, dbFolder="rooms", listen="127.0.0.1:0", **synctest.tls_config())), encoding="utf-8")
        status, _, err = self.run_peer("check-config", self.path("peer.json"))
        self.assertEqual((0, True), (status, "is good" in err), err)
        a, b = self.path("rooms/shop.db"), self.path("b.db")
        plain(a, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        peer = self.peer("serve", "--config", self.path("peer.json"))
        url = f"{synctest.SCHEME}://127.0.0.1:{peer.wait_event('listening')['port']}/shop"
        self.assertEqual(0, self.run_peer("clone", url, b)[0])
        self.sync(b, url)
        patiently(a, "INSERT INTO t VALUES('a', 1)")
        patiently(b, "INSERT INTO t VALUES('b', 2)")
        for db in (a, b):
            self.wait_rows(db, 2)
        self.assert_same(a, b)


@unittest.skipUnless(os.geteuid() == 0, "only root installs packages")
@unittest.skipUnless(shutil.which("systemd-sysusers") and shutil.which("deb-systemd-helper"), "systemd-sysusers or deb-systemd-helper is not installed")
class Installed(Made):
    """By dpkg itself, with a folder as the root: the scripts run, and know of it."""

    WANTED = "etc/systemd/system/multi-user.target.wants/sync-peer.service"

    def setUp(self):
        super().setUp()
        self.to = self.path("to")
        for folder in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/dpkg/triggers", "etc"):
            (self.to / folder).mkdir(parents=True)
        for name in ("status", "available"):
            (self.to / "var/lib/dpkg" / name).touch()
        self.dpkg("-i", *self.packages.values())

    def dpkg(self, *arguments):
        done = run("dpkg", f"--root={self.to}", "--force-depends", "--force-script-chrootless", *arguments)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def user(self):
        for line in (self.to / "etc/passwd").read_text(encoding="utf-8").splitlines():
            if line.startswith("sync-peer:"):
                return pwd.struct_passwd(line.split(":"))
        return None

    def test_the_user_the_folder_and_the_service(self):
        self.assertEqual(("/var/lib/sync-peer", "/usr/sbin/nologin"), (self.user().pw_dir, self.user().pw_shell))
        self.assertEqual(0o42770, (self.to / "var/lib/sync-peer").stat().st_mode)
        self.assertTrue((self.to / self.WANTED).is_symlink())
        self.assertFalse((self.to / "etc/systemd/system/sockets.target.wants").exists())

    def test_what_an_upgrade_leaves(self):
        config = self.to / "etc/sync-peer/peer.json"
        config.write_text("mine", encoding="utf-8")
        (self.to / self.WANTED).unlink()
        (self.to / "var/lib/sync-peer").chmod(0o700)
        self.dpkg("--force-confold", "-i", self.packages["sync-peer"])
        self.assertEqual("mine", config.read_text(encoding="utf-8"))
        self.assertFalse((self.to / self.WANTED).is_symlink())
        self.assertEqual(0o40700, (self.to / "var/lib/sync-peer").stat().st_mode)

    def test_what_is_left_when_it_goes(self):
        database = self.to / "var/lib/sync-peer/shop.db"
        plain(database, "CREATE TABLE t(id)")
        self.dpkg("-r", "sync-peer")
        self.assertTrue((self.to / "etc/sync-peer/peer.json").exists())
        self.dpkg("-P", "sync-peer")
        self.assertFalse((self.to / "etc/sync-peer").exists() or (self.to / self.WANTED).is_symlink())
        self.assertTrue(database.exists() and self.user())


if __name__ == "__main__":
    unittest.main()
