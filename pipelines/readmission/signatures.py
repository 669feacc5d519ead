"""Signatures of an installation: Ed25519 under a secret that only it has, checked with public keys.

`cryptography` signs; it comes with the packages of tokens and backups. OpenSSF's model-signing signs folders too, but
brings Sigstore's clients, and a version of ours is named by the hash of its manifest, which is one message to sign.
It is imported where it is used: the demo and the feed read settings and have no need of it.
"""

import re
from collections.abc import Collection, Sequence
from hashlib import sha256

_PUBLIC = re.compile(r"[0-9a-f]{64}")


class SigningKey:
    """Private key of an installation.

    Args:
        secret: READMISSION_SIGNING_KEY; any long random text.

    Attributes:
        public: Public key as 64 hex digits, by which others check signatures.
    """

    def __init__(self, secret: str) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        seed = sha256(b"readmission signing key\0" + secret.encode()).digest()
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """Return the signature of a message as hex digits."""
        return self._key.sign(message).hex()


class Trust:
    """Public keys whose signatures count; none if nothing needs to be signed.

    Args:
        signers: Public keys as hex digits.
    """

    def __init__(self, signers: Collection[str] = ()) -> None:
        self.signers = frozenset(signers)

    def __bool__(self) -> bool:
        return bool(self.signers)

    def confirms(self, signer: str, signature: str, message: bytes) -> bool:
        """Return whether a trusted signer has signed a message."""
        if signer not in self.signers:
            return False
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer)).verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True


#: Trust where nothing has to be signed.
NOBODY = Trust()


def read_signers(text: str) -> Sequence[str]:
    """Return public keys out of a setting.

    Args:
        text: Public keys, separated by commas; may be empty.

    Raises:
        ValueError: One is not 64 hex digits.
    """
    signers = [part.strip().lower() for part in text.split(",") if part.strip()]
    if any(_PUBLIC.fullmatch(signer) is None for signer in signers):
        raise ValueError("a public key has 64 hex digits, as `readmission sign` prints it")
    return signers
