"""Users who log in, for tests: their table is made here, and the hashes by libcrypt itself, so that nothing of what checks them is used to make them."""
import ctypes
import json
import re
import urllib.parse

import rawpeer
import synctest
import tokens

CRYPT = ctypes.CDLL("libcrypt.so.1")
CRYPT.crypt.restype = ctypes.c_char_p
SALT = "$y$j75$" + "saltsaltsalt"  # as cheap as it can be: what it costs is tested elsewhere
TABLE = "CREATE TABLE IF NOT EXISTS peer_user(name TEXT PRIMARY KEY, password TEXT NOT NULL, room TEXT NOT NULL, rights TEXT NOT NULL);"
AUTH = {"users": {"file": "users.db"}, "cookie": {"keyFile": "cookie.secret"}}
SECRET = "a secret for cookies, of thirty-two bytes and more"


def crypt(password, salt=SALT):
    return CRYPT.crypt(password.encode(), salt.encode()).decode()


def add(file, name, password, room="red", rights="read,write"):
    synctest.plain(file, TABLE + f"INSERT OR REPLACE INTO peer_user VALUES('{name}', '{crypt(password)}', '{room}', '{rights}')")


def prepare(case):
    """The files that AUTH names, and one user."""
    case.path("cookie.secret").write_text(SECRET + "\n", encoding="utf-8")
    add(case.path("users.db"), "ann", "a good password")


def cookie(payload=None, secret=SECRET, **changed):
    """What a login would give for the room red: the value of a header Cookie."""
    whole = {"aud": "sync-peer cookie", "sub": "ann", "room": ["red"], "rights": ["read", "write"], **{k: tokens.claims()[k] for k in ("nbf", "exp")}, **changed}
    whole = {name: value for name, value in whole.items() if value is not None}
    return name() + "=" + tokens.hs256(payload or whole, secret)


def name():
    return "__Host-sync" if synctest.TLS else "sync"


class Answer:
    def __init__(self, text):
        head, _, self.body = text.partition("\r\n\r\n")
        self.text, self.status = text, int((head.split() or [0, 0])[1])
        self.fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:])}

    @property
    def cookie(self):
        """What a browser would send back."""
        return self.fields["set-cookie"].split(";")[0]


def post(port, path="/login", user=None, password=None, body=None, kind="application/x-www-form-urlencoded", **headers):
    """A POST, by default of a form; a header of None is left out."""
    if body is None:
        form = {k: v for k, v in (("user", user), ("password", password)) if v is not None}
        body = json.dumps(form) if kind == "application/json" else urllib.parse.urlencode(form)
    body = body if isinstance(body, bytes) else body.encode()
    lines = {"Host": f"127.0.0.1:{port}", "Content-Type": kind, "Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None) + "\r\n"
    with rawpeer.connect(port, synctest.SECONDS_MAX) as s:
        s.sendall(head.encode() + body)
        got = b""
        try:
            while more := s.recv(8192):
                got += more
        except ConnectionError:
            pass
    return Answer(got.decode())


def max_age(answer):
    return int(re.search("Max-Age=([0-9]+)", answer.fields["set-cookie"])[1])
