"""TLS at both ends: who is trusted, which names, a pinned key, old versions, certificates that are renewed. The rest of the suite runs over it as well: SYNC_TLS=1."""
import json
import signal
import socket
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from stranger import Stranger, says  # noqa: E402
from synctest import Case, ask, certificate, eventually, plain  # noqa: E402

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('{}', 1);"


def pin_of(cert):
    """As the manual page says to make it."""
    key = subprocess.run(["openssl", "x509", "-pubkey", "-noout", "-in", str(cert)], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True, capture_output=True).stdout
    return subprocess.run(["sha256sum"], input=der, check=True, capture_output=True).stdout.split()[0].decode()


class Tls(Case):
    def setUp(self):
        super().setUp()
        self.cert, self.key = certificate(self.dir, "server", "localhost", "127.0.0.1")
        self.a, self.b = self.path("a.db"), self.path("b.db")
        for path in (self.a, self.b):
            plain(path, T.format(path.stem))

    def serve_tls(self, cert=None, key=None):
        peer = self.peer("serve", self.a, "--listen", "127.0.0.1:0", "--cert-file", cert or self.cert, "--key-file", key or self.key)
        peer.port = peer.wait_event("listening")["port"]
        return peer

    def once(self, port, *options, host="localhost", status=0, says=""):
        got, out, err = self.run_peer("sync", self.b, f"wss://{host}:{port}/a", "--once", *options)
        self.assertEqual(status, got, out + err)
        self.assertIn(says, err)
        return err

    def test_it_is_trusted_by_name_and_by_address(self):
        peer = self.serve_tls()
        self.once(peer.port, "--ca-file", self.cert)
        self.once(peer.port, "--ca-file", self.cert, host="127.0.0.1")
        self.assertEqual((ask(self.a, "SELECT count(*) FROM t"), ask(self.b, "SELECT count(*) FROM t")), (2, 2))

    def test_it_is_not_trusted(self):
        peer = self.serve_tls()
        self.once(peer.port, status=9, says="its certificate is not trusted: self-signed certificate")
        other, _ = certificate(self.dir, "other", "localhost")
        self.once(peer.port, "--ca-file", other, status=9, says="its certificate is not trusted")
        self.assertEqual(ask(self.b, "SELECT count(*) FROM t"), 1)

    def test_those_that_the_system_trusts_do_not_count_beside_it(self):
        peer = self.serve_tls()
        other, _ = certificate(self.dir, "other", "localhost")
        done = subprocess.run([synctest.PEER, "sync", self.b, f"wss://localhost:{peer.port}/a", "--once", "--ca-file", other], capture_output=True, text=True, check=False,
                              env={**synctest.PEER_ENV, "SSL_CERT_FILE": str(self.cert)})
        self.assertEqual((done.returncode, "its certificate is not trusted" in done.stderr), (9, True), done.stderr)

    def test_another_name(self):
        cert, key = certificate(self.dir, "elsewhere", "elsewhere.test", "127.0.0.2")
        peer = self.serve_tls(cert, key)
        for host in ("localhost", "127.0.0.1"):
            self.once(peer.port, "--ca-file", cert, host=host, status=9, says="its certificate is not trusted")
        self.assertEqual(ask(self.b, "SELECT count(*) FROM t"), 1)

    def test_one_that_has_expired(self):
        key, request, cert, names = (self.path(f"old.{end}") for end in ("key", "csr", "pem", "names"))
        names.write_text("subjectAltName=DNS:localhost", encoding="utf-8")
        for command in (["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=localhost"],
                        ["x509", "-req", "-in", request, "-signkey", key, "-out", cert, "-days", "-1", "-extfile", names]):
            subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
        self.once(self.serve_tls(cert, key).port, "--ca-file", cert, status=9, says="certificate has expired")

    def test_a_pinned_key(self):
        peer = self.serve_tls()
        self.once(peer.port, "--ca-file", self.cert, "--pin", pin_of(self.cert))
        self.once(peer.port, "--ca-file", self.cert, "--pin", pin_of(self.cert).upper())
        other, _ = certificate(self.dir, "other", "localhost")
        self.once(peer.port, "--ca-file", self.cert, "--pin", pin_of(other), status=9, says="its certificate has another key than was asked for (--pin)")
        self.once(peer.port, "--pin", pin_of(self.cert), status=9, says="not trusted")  # a pin makes nobody trusted

    def test_nothing_is_said_to_who_has_another_key(self):
        """The token least of all."""
        self.path("token").write_text("eyJ-a-token", encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        listener = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", str(self.cert), "-key", str(self.key), "-naccept", "1"],
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.PIPE)
        self.addCleanup(listener.kill)
        while b"ACCEPT" not in listener.stdout.readline():
            pass
        other, _ = certificate(self.dir, "other", "localhost")
        self.once(port, "--ca-file", self.cert, "--pin", pin_of(other), "--token-file", self.path("token"), status=9, says="another key")
        heard, _ = listener.communicate(timeout=synctest.SECONDS_MAX)
        self.assertNotIn(b"token", heard)
        self.assertNotIn(b"GET", heard)

    def test_old_versions_are_not_spoken(self):
        peer = self.serve_tls()
        for version, spoken in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{peer.port}", version, "-cipher", "ALL:@SECLEVEL=0"], input=b"", capture_output=True, check=False)
            self.assertEqual(spoken, b"Verify return code" in done.stdout and done.returncode == 0, (version, done.stdout[-300:]))

    def test_weak_ciphers_are_not_spoken(self):
        peer = self.serve_tls()
        for cipher, spoken in (("ECDHE-ECDSA-AES128-GCM-SHA256", True), ("ECDHE-ECDSA-AES128-SHA", False), ("AES128-SHA", False)):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{peer.port}", "-tls1_2", "-cipher", cipher], input=b"", capture_output=True, check=False)
            self.assertEqual(spoken, done.returncode == 0, cipher)

    def test_one_end_speaks_tls_and_the_other_does_not(self):
        peer = self.serve_tls()
        status, _, err = self.run_peer("sync", self.b, f"ws://127.0.0.1:{peer.port}/a", "--once")
        self.assertEqual((status, "not reachable" in err), (8, True), err)
        stranger = Stranger(says(["HTTP/1.1 400 Bad Request"]))
        self.addCleanup(stranger.close)
        status, _, err = self.run_peer("sync", self.b, f"wss://127.0.0.1:{stranger.port}/a", "--once")
        self.assertEqual((status, "not reachable" in err), (8, True), err)

    def test_a_renewed_certificate(self):
        """SIGHUP; links that are there stay."""
        peer = self.serve_tls()
        follower = self.peer("sync", self.b, f"wss://localhost:{peer.port}/a", "--ca-file", self.cert)
        follower.wait_event("connected")
        other, key = certificate(self.dir, "other", "localhost")
        self.path("server.pem").write_bytes(other.read_bytes())
        peer.process.send_signal(signal.SIGHUP)
        eventually(lambda: "key values mismatch; the certificate stays as it was" in peer.stderr, lambda: peer.stderr)
        self.path("server.key").write_bytes(key.read_bytes())
        peer.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the certificate was read again" in peer.stderr, lambda: peer.stderr)
        c = self.path("c.db")
        plain(c, T.format("c"))
        status, _, err = self.run_peer("sync", c, f"wss://localhost:{peer.port}/a", "--once", "--ca-file", other)
        self.assertEqual(status, 0, err)
        eventually(lambda: ask(self.b, "SELECT count(*) FROM t") == 3, "the first link goes on")

    @synctest.without_tls("it is about that")
    def test_hangup_without_tls(self):
        peer = self.peer("serve", self.a, "--listen", "127.0.0.1:0")
        peer.wait_event("listening")
        peer.process.send_signal(signal.SIGHUP)
        eventually(lambda: "SIGHUP: there is nothing to be read again" in peer.stderr, lambda: peer.stderr)
        self.assertEqual(peer.stop(), 0)

    def test_a_configuration(self):
        self.path("db").mkdir()
        plain(self.path("db/a.db"), T.format("x"))
        self.path("peer.json").write_text(json.dumps({"listen": "127.0.0.1:0", "dbFolder": "db", "tls": {"certFile": "server.pem", "keyFile": "server.key"}}), encoding="utf-8")
        peer = self.peer("serve", "--config", self.path("peer.json"))
        event = peer.wait_event("listening")
        self.assertTrue(event["url"].startswith("wss://"))
        self.once(event["port"], "--ca-file", self.cert)

    def test_a_key_with_a_passphrase(self):
        """Nobody is asked for it: the process would stand still until somebody answers, also at SIGHUP."""
        locked = self.path("locked.key")
        subprocess.run(["openssl", "pkey", "-in", str(self.key), "-aes128", "-passout", "pass:word", "-out", str(locked)], check=True, capture_output=True)
        status, _, err = self.run_peer("serve", self.a, "--listen", "127.0.0.1:0", "--cert-file", self.cert, "--key-file", locked)
        self.assertEqual((status, "locked.key: the key: " in err, "Enter" in err), (2, True, False), err)
        peer = self.serve_tls()
        self.key.write_bytes(locked.read_bytes())
        peer.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the certificate stays as it was" in peer.stderr, lambda: peer.stderr)
        self.assertNotIn("Enter", peer.stderr)
        self.once(peer.port, "--ca-file", self.cert)

    def test_files_and_options_that_are_wrong(self):
        _, other_key = certificate(self.dir, "other", "localhost")
        for options, words in ((["--cert-file", self.cert], "--cert-file and --key-file need each other"),
                               (["--cert-file", self.cert, "--key-file", other_key], "other.key: the key: key values mismatch"),
                               (["--cert-file", self.path("none"), "--key-file", self.key], "none: No such file"),
                               (["--cert-file", self.key, "--key-file", self.key], "server.key: the certificate: "),
                               (["--cert-file", self.cert, "--key-file", self.cert], "server.pem: the key: "),
                               (["--ca-file", self.cert], "--ca-file, --pin and --client-cert-file are for wss:// URLs")):
            status, _, err = self.run_peer("serve", self.a, "--listen", "127.0.0.1:0", *options)
            self.assertEqual((status, words in err), (2, True), err)
        for options, words in ((["--ca-file", self.key], "server.key: the certificates: "), (["--pin", "00"], "--pin 00 is not 64 hexadecimal digits"),
                               (["--pin", "g" * 64], "is not 64 hexadecimal digits"), (["--cert-file", self.cert], "--cert-file belongs to serve")):
            status, _, err = self.run_peer("sync", self.b, "wss://localhost:1/a", "--once", *options)
            self.assertEqual((status, words in err), (2, True), err)


if __name__ == "__main__":
    unittest.main()
