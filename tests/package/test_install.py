"""The build and what `cmake --install` leaves: files in their places, usable from there."""
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from synctest import BUILD, EXTENSION, ROOT  # noqa: E402

PROGRAM = """
#include <stdio.h>
#include <sync_ext.h>
int main(void)
{
    sqlite3 *db = NULL;
    char *error = NULL;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_open(":memory:", &db) || sqlite3_syncext_init(db, &error, NULL) ||
        sqlite3_prepare_v2(db, "SELECT sync_describe(NULL) IS NULL", -1, &stmt, NULL) ||
        sqlite3_step(stmt) != SQLITE_ROW)
        return 1;
    puts("linked");
    sqlite3_finalize(stmt);
    return sqlite3_close(db);
}
"""


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)


class Install(synctest.Case):
    def setUp(self):
        super().setUp()
        self.prefix = self.path("prefix")
        done = run("cmake", "--install", BUILD, "--prefix", self.prefix)
        self.assertEqual(0, done.returncode, done.stderr)

    def find(self, name):
        found = list(self.prefix.rglob(name))
        self.assertEqual(1, len(found), f"{name}: {found}")
        return found[0]

    def test_every_file_is_in_its_place(self):
        libraries = str(self.find("libsync_engine.a").parent.relative_to(self.prefix))
        self.assertRegex(libraries, "^lib")
        self.assertEqual(
            {f"{libraries}/sqlite3/sync_ext.so", f"{libraries}/libsync_engine.a", f"{libraries}/pkgconfig/sync_ext.pc", "include/sync_ext.h", "bin/sync-peer",
             "share/man/man1/sync-peer.1", "share/man/man3/sync_ext.3", "share/bash-completion/completions/sync-peer",
             "share/zsh/site-functions/_sync-peer", "lib/systemd/system/sync-peer.service", "lib/systemd/system/sync-peer.socket",
             "lib/sysusers.d/sync-peer.conf", "etc/sync-peer/peer.json"},
            {str(f.relative_to(self.prefix)) for f in self.prefix.rglob("*") if f.is_file()})

    def test_a_configuration_that_is_there_stays(self):
        config = self.prefix / "etc" / "sync-peer" / "peer.json"
        config.write_text("mine", encoding="utf-8")
        self.assertEqual(0, run("cmake", "--install", BUILD, "--prefix", self.prefix).returncode)
        self.assertEqual("mine", config.read_text(encoding="utf-8"))

    def test_the_service_starts_what_was_installed(self):
        unit = self.find("sync-peer.service").read_text(encoding="utf-8")
        self.assertIn(f"ExecStart={self.prefix}/bin/sync-peer serve --config {self.prefix}/etc/sync-peer/peer.json\n", unit)
        self.assertNotRegex(unit, "@[a-z]+@")

    def test_the_installed_extension_is_loaded_by_the_stock_shell(self):
        done = run("sqlite3", "-batch", "-init", "/dev/null", "-cmd",
                   f".load {self.find('sync_ext.so').with_suffix('')}", ":memory:",
                   "SELECT sync_describe(NULL) IS NULL")
        self.assertEqual(("1\n", 0), (done.stdout, done.returncode), done.stderr)
        named = run("pkg-config", "--variable=extension", "sync_ext",
                    env=dict(os.environ, PKG_CONFIG_PATH=str(self.find("sync_ext.pc").parent)))
        self.assertEqual(str(self.find("sync_ext.so")), named.stdout.strip(), named.stderr)

    def test_a_program_is_compiled_with_pkg_config(self):
        pkg_config_env = dict(os.environ, PKG_CONFIG_PATH=str(self.find("sync_ext.pc").parent))
        flags = run("pkg-config", "--cflags", "--libs", "sync_ext", env=pkg_config_env)
        self.assertEqual(0, flags.returncode, flags.stderr)
        source = self.path("program.c")
        source.write_text(PROGRAM, encoding="utf-8")
        compiled = run("cc", "-Wall", "-Werror", "-o", self.path("program"), source, *flags.stdout.split())
        self.assertEqual(0, compiled.returncode, compiled.stderr)
        done = run(self.path("program"))
        self.assertEqual(("linked\n", 0), (done.stdout, done.returncode), done.stderr)

    def test_the_manual_pages_name_every_function_and_option(self):
        page = self.find("sync_ext.3").read_text(encoding="utf-8")
        connection = synctest.connect(":memory:")
        self.addCleanup(connection.close)
        functions = {name for (name,) in connection.execute(
            "SELECT name FROM pragma_function_list WHERE name LIKE 'sync\\_%' ESCAPE '\\'")}
        self.assertIn("sync_track", functions)
        internal = {"sync_engine"}  # answers only a linked caller's pointer
        self.assertEqual(set(), {name for name in functions - internal if name not in page})
        page = self.find("sync-peer.1").read_text(encoding="utf-8").replace("\\-", "-")
        status, usage, stderr = self.run_peer("--help")
        self.assertEqual(0, status, stderr)
        options = set(re.findall(r"--[a-z-]+", usage))
        self.assertIn("--listen", options)
        self.assertEqual(set(), {option for option in options if option not in page})

    def test_the_manual_page_names_every_exit_code(self):
        page = self.find("sync-peer.1").read_text(encoding="utf-8")
        said = page.split(".SH EXIT STATUS\n")[1].split(".SH ")[0]
        named = {int(code) for code in re.findall(r"^\.TP.*\n(\d+)$", said, re.MULTILINE)}
        declared = {int(code) for code in re.findall(r"PEER_EXIT_\w+\s*=\s*(\d+)", (synctest.ROOT / "peer" / "exits.h").read_text(encoding="utf-8"))}
        self.assertIn(14, declared)
        self.assertEqual(declared, named)
        for status, *command in ((0, "--version"), (2, "serve"), (3, "verify", self.path("none.db"), self.path("neither.db")), (4, "compact", __file__)):
            self.assertEqual(status, self.run_peer(*command)[0], command)


class Build(synctest.Case):
    def test_the_extension_needs_only_zstd_beside_the_system(self):
        dynamic = run("readelf", "-d", EXTENSION).stdout
        needed = set(re.findall(r"NEEDED.*\[(.*?)\.so", dynamic))
        self.assertIn("libzstd", needed)
        allowed = {"libzstd", "libc", "libm", "libpthread", "ld-linux-x86-64", "ld-linux-aarch64"}
        self.assertEqual(set(), needed - allowed)

    def test_the_extension_exports_only_its_entry_point(self):
        symbols = run("nm", "-D", "--defined-only", EXTENSION).stdout.split()[2::3]
        self.assertEqual({"sqlite3_syncext_init"}, set(symbols) - {"_init", "_fini"})

    def test_a_missing_dependency_is_named_with_its_package(self):
        real = {module: run("pkg-config", "--modversion", module).stdout.strip()
                for module in ("sqlite3", "libzstd", "libwebsockets", "jansson", "libjwt", "openssl", "libcrypt", "libsystemd", "cmocka")}
        packages = {"sqlite3": "libsqlite3-dev", "libzstd": "libzstd-dev", "libwebsockets": "libwebsockets-dev",
                    "jansson": "libjansson-dev", "libjwt": "libjwt-dev", "openssl": "libssl-dev", "libcrypt": "libcrypt-dev", "libsystemd": "libsystemd-dev", "cmocka": "libcmocka-dev"}
        for missing, package in packages.items():
            stubs = self.path(f"without-{missing}")
            stubs.mkdir()
            for module, version in real.items():
                if module != missing:
                    (stubs / f"{module}.pc").write_text(f"Name: {module}\nDescription: stub\nVersion: {version}\n",
                                                        encoding="utf-8")
            done = run("cmake", "-S", ROOT, "-B", self.path(f"build-{missing}"), "-G", "Unix Makefiles",
                       env=dict(os.environ, PKG_CONFIG_LIBDIR=str(stubs), PKG_CONFIG_PATH=""))
            self.assertNotEqual(0, done.returncode)
            said = " ".join(done.stderr.split())  # CMake breaks its lines
            self.assertRegex(said, f"{missing}[^ ]* is missing")
            self.assertIn(f"apt install {package}", said)

    def test_an_sqlite_that_is_too_old_is_refused(self):
        stubs = self.path("old")
        stubs.mkdir()
        (stubs / "sqlite3.pc").write_text("Name: sqlite3\nDescription: stub\nVersion: 3.39.4\n", encoding="utf-8")
        done = run("cmake", "-S", ROOT, "-B", self.path("build"), "-G", "Unix Makefiles",
                   env=dict(os.environ, PKG_CONFIG_LIBDIR=str(stubs), PKG_CONFIG_PATH=""))
        self.assertNotEqual(0, done.returncode)
        self.assertIn("too old", " ".join(done.stderr.split()))


if __name__ == "__main__":
    unittest.main()
