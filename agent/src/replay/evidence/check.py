#!/usr/bin/env python3
"""Checks an evidence pack of Icecore with Python's own library and openssl.

    python3 check.py INSTALLATION_KEY      the host's public key in base64, from where it was pinned
    python3 check.py                       the same without knowing whose chain it is

Ends with 0 if all is as it should be, 1 if something differs, 2 if it cannot be checked.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

# DER of an Ed25519 public key up to its 32 bytes (RFC 8410, section 4).
ED25519 = bytes.fromhex("302a300506032b6570032100")
ROOT = pathlib.Path(__file__).resolve().parent
WRONG = []


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def wrong(where, what):
    WRONG.append(f"{where}: {what}")


def is_signed(message, signature, key):
    """Has openssl check a signature."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"key": ED25519 + key, "message": message, "signature": signature}
        for name, data in files.items():
            pathlib.Path(folder, name).write_bytes(data)
        command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in message -sigfile signature"
        return subprocess.run(command.split(), cwd=folder, capture_output=True).returncode == 0


def opened(path, key):
    """Reads a signed document (DSSE), and gives what is in it."""
    envelope = json.loads(path.read_bytes())
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    signatures = [base64.b64decode(one["sig"]) for one in envelope["signatures"]]
    if not any(is_signed(message, one, key) for one in signatures):
        wrong(path.name, "not signed by the key that should have")
    return json.loads(payload)


def check_sums():
    listed = {}
    for line in (ROOT / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ", 1)
        listed[name] = digest
        path = ROOT / name
        if not path.is_file():
            wrong(name, "missing")
        elif sha256(path.read_bytes()) != digest:
            wrong(name, "changed since the pack was made")
    for path in (ROOT / "store").rglob("*"):
        name = path.relative_to(ROOT).as_posix()
        # Whoever reads a store with icecore leaves a note of it there; notes are no part of the record.
        is_note = "/v1/access/" in name
        if path.is_file() and name not in listed and not is_note:
            wrong(name, "not of the pack")


def check_chain(folder, pinned):
    """Walks a chain from its genesis; gives the objects that it vouches for, and the tree of each manifest."""
    genesis_path = folder / "genesis.json"
    envelope = json.loads(genesis_path.read_bytes())
    claimed = json.loads(base64.b64decode(envelope["payload"]))["installation"]
    if pinned is not None and claimed != pinned:
        wrong(folder.name, f"begun by installation {claimed}, not by the pinned one")
    genesis = opened(genesis_path, base64.b64decode(claimed))
    key, before, size, objects, trees = genesis["key"], sha256(genesis_path.read_bytes()), 0, {}, {}
    for n, path in enumerate(sorted(folder.glob("m-*.json"))):
        manifest = opened(path, base64.b64decode(key))
        if manifest["n"] != n:
            wrong(path.name, f"manifest {n} is missing")
            break
        if manifest["prev_sha256"] != before:
            wrong(path.name, "does not follow the document before")
        if manifest["first_seq"] != size or manifest["tree_size"] < size:
            wrong(path.name, "its rows do not follow those before")
        for listed in manifest["objects"]:
            objects[listed["key"]] = listed["sha256"]
        trees[path.name] = (manifest["tree_size"], bytes.fromhex(manifest["root"]))
        before, size = sha256(path.read_bytes()), manifest["tree_size"]
        key = manifest.get("next_key") or key
    return objects, trees


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def includes(leaf, at, size, path, root):
    """Tells whether a path leads from a leaf to the root of a tree (RFC 9162, section 2.1.3.2)."""
    last = size - 1
    if not 0 <= at <= last:
        return False
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            leaf = node(sibling, leaf)
            while at & 1 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            leaf = node(leaf, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and leaf == root


def check_proof(path, chains):
    """Checks that a statement's rows are in the trees that its chains signed."""
    proof, rows = json.loads(path.read_bytes()), 0
    if proof["statement_id"] != path.stem:
        wrong(path.name, "the proof of another statement")
    for chain in proof["chains"]:
        manifest = chain["manifests"][-1].rsplit("/", 1)[-1]
        if manifest not in chains.get(chain["chain"], {}):
            wrong(path.name, "rests on a manifest that is not in this pack")
            continue
        size, root = chains[chain["chain"]][manifest]
        for row in chain["rows"]:
            rows += 1
            frame = base64.b64decode(row["cbor"])
            leaf = hashlib.sha256(b"\x00" + frame).digest()
            hashes = [base64.b64decode(one) for one in row["path"]]
            if not includes(leaf, row["seq"], size, hashes, root):
                wrong(path.name, f"row {row['seq']} is not in the tree that was signed")
            if path.stem.encode() not in frame:
                wrong(path.name, f"row {row['seq']} is not of this statement")
    if not rows:
        wrong(path.name, "no row of the statement")


def main():
    pinned = sys.argv[1] if len(sys.argv) > 1 else None
    check_sums()
    store, vouched, chains = ROOT / "store", {}, {}
    for genesis in sorted(store.glob("*/v1/chains/*/genesis.json")):
        listed, chains[genesis.parent.name] = check_chain(genesis.parent, pinned)
        vouched.update(listed)
    proofs = sorted(ROOT.glob("proofs/*.json"))
    for path in proofs:
        check_proof(path, chains)
    objects = 0
    for path in sorted(store.rglob("*.parquet")):
        key, digest = path.relative_to(store).as_posix(), sha256(path.read_bytes())
        objects += 1
        if "/result_rows/" not in key and not path.stem.endswith(digest[:16]):
            wrong(key, "its bytes are not those of its name")
        if chains and vouched.get(key) != digest:
            wrong(key, "no manifest vouches for it")
    for line in WRONG:
        print(line)
    told = f"{objects} objects, {len(chains)} chains, {len(vouched)} objects vouched for, {len(proofs)} proofs"
    print(f"{told}, {len(WRONG)} wrong")
    if not chains:
        print("no chain is in this pack: who wrote it cannot be checked")
    elif pinned is None:
        print("no installation key was given: whose chain it is was not checked")
    return 1 if WRONG else 0 if chains and pinned else 2


if __name__ == "__main__":
    sys.exit(main())
