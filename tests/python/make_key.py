"""Makes an RSA key pair for key-pair authentication: PKCS#8 private key and SPKI public key, both PEM.

A third argument names a file with the passphrase that the private key is encrypted with.
"""

import os
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

private_file, public_file, *passphrase_files = sys.argv[1:]
encryption = serialization.NoEncryption()
for file_name in passphrase_files:
    with open(file_name, "rb") as file:
        encryption = serialization.BestAvailableEncryption(file.read().strip())
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
private = key.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    encryption,
)
public = key.public_key().public_bytes(
    serialization.Encoding.PEM,
    serialization.PublicFormat.SubjectPublicKeyInfo,
)
with os.fdopen(os.open(private_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
    file.write(private)
with open(public_file, "wb") as file:
    file.write(public)
