"""Tokens (JWT) for tests: made here, so that nothing of what checks them is used to make them."""
import base64
import hashlib
import hmac
import json
import subprocess
import time

SECRET = "a secret of at least thirty-two bytes"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(for_room="*", **changed):
    """Good ones for an hour; a value of None leaves that member out."""
    now = int(time.time())
    whole = {"sub": "ann", "aud": "sync", "room": for_room, "rights": ["read", "write"], "nbf": now - 1, "exp": now + 3600}
    whole.update(changed)
    return {name: value for name, value in whole.items() if value is not None}


def unsigned(header, payload):
    return b64(json.dumps(header).encode()) + "." + b64(json.dumps(payload).encode())


def hs256(payload, secret=SECRET, header=None):
    text = unsigned(header or {"alg": "HS256", "typ": "JWT"}, payload)
    return text + "." + b64(hmac.new(secret.encode() if isinstance(secret, str) else secret, text.encode(), hashlib.sha256).digest())


class KeyPair:
    """An RSA or P-256 key, by the openssl command."""

    def __init__(self, folder, kind, name="key"):
        self.kind, self.private, self.public = kind, folder / f"{name}.private", folder / f"{name}.pem"
        how = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if kind == "RS256" else ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        subprocess.run(["openssl", "genpkey", *how, "-out", str(self.private)], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", str(self.private), "-pubout", "-out", str(self.public)], check=True, capture_output=True)

    def sign(self, payload, header=None):
        text = unsigned(header or {"alg": self.kind, "typ": "JWT"}, payload)
        made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(self.private)], input=text.encode(), check=True, capture_output=True).stdout
        return text + "." + b64(made if self.kind == "RS256" else raw_signature(made))

    def jwk(self, **more):
        """The public key as JWK."""
        der = subprocess.run(["openssl", "pkey", "-pubin", "-in", str(self.public), "-outform", "DER"], check=True, capture_output=True).stdout
        if self.kind == "ES256":
            return {"kty": "EC", "crv": "P-256", "x": b64(der[-64:-32]), "y": b64(der[-32:]), **more}
        text = subprocess.run(["openssl", "rsa", "-pubin", "-in", str(self.public), "-modulus", "-noout"], check=True, capture_output=True, text=True).stdout
        return {"kty": "RSA", "n": b64(bytes.fromhex(text.strip().split("=")[1])), "e": "AQAB", **more}


def raw_signature(der):
    """r and s of an ECDSA signature in DER, 32 bytes each."""
    at, numbers = 2, []
    for _ in range(2):
        size = der[at + 1]
        numbers.append(der[at + 2:at + 2 + size].lstrip(b"\0").rjust(32, b"\0"))
        at += 2 + size
    return b"".join(numbers)
