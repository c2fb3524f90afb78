//! What a pack says of itself. Pure.

use super::Packed;
use crate::replay::counted::counted;
use crate::replay::escape::terminal;
use crate::replay::steps::Session;

/// Writes the text that stands first in a pack.
pub(super) fn readme(session: &Session<'_>, packed: &Packed) -> String {
    let mut text = format!(
        "\
Evidence of one session of Icecore
==================================

Session {}
{} of the record, {} of its chains, proofs of {}

What is in here
---------------
session.html   what happened, to read and to print; loads nothing from a network
session.json   the same for programs
store/         a part of the record's store, byte for byte, under its own keys:
               .../t0/ to t3/      the Parquet objects that hold the session's rows
               .../chains/         genesis, manifests, checkpoints and leaf hashes of their chains; as w-*.frames rows that
                                   the store acknowledged and that no object has
               .../evidence/       policies and config that were in force, by their SHA-256
proofs/        of each statement its rows, and the hashes that lead from each to a checkpoint in store/.../chains/
verify.json    what `icecore verify --deep` said of the session's chains in the whole store, as of the session's end
check.py       checks what can be checked without icecore
SHA256SUMS     digests of all of these

How to check it
---------------
1. That nothing in here was changed since the pack was made:
       sha256sum -c SHA256SUMS
   This says nothing of who made it. Take the SHA-256 of the zip file itself when it is handed over.
2. That the objects are those that the chains vouch for, that the manifests follow each other and are signed, and that
   each row of proofs/ is in the tree that they sign; python3 and openssl are all that it needs:
       python3 check.py INSTALLATION_KEY
   INSTALLATION_KEY is the host's public key in base64, as it was pinned when the host was enrolled. Get it from where it
   was pinned, never from this pack: without it, a chain that somebody made up looks as good as a true one.
3. One statement alone, by whose keys and when a witness saw it, with icecore:
       icecore verify --proof proofs/STATEMENT.json --trust trust.toml
   `icecore prove STATEMENT` makes one that needs no file beside it, for somebody who must not see the rest.
4. That the page shows what the objects hold, with icecore:
       icecore replay {} --store file://$PWD/store --json
   `icecore verify` is for the whole store: here it would miss the objects of other times. verify.json has what it said.
5. With DuckDB: select * from 'store/*/v1/t0/*/statements/*/*.parquet';

What it does not prove
----------------------
That the host's recorder told the truth when it wrote; that it saw everything (`icecore reconcile` compares it with
Snowflake's own history); anything after the last checkpoint that a witness has seen.
",
        terminal(session.id),
        counted(packed.objects, "object"),
        counted(packed.documents, "document"),
        counted(packed.proofs, "statement"),
        terminal(session.id),
    );
    if packed.documents == 0 {
        text.push_str(
            "\nThis store has no documents of the chains, so that step 2 has nothing to check but the digests in the keys.\n",
        );
    }
    if !packed.others.is_empty() {
        text.push_str(&format!(
            "\nOf other people\n---------------\nThe objects are whole: rows of {} beside it stand in them. Hand the pack on only to whoever may read these too.\n",
            counted(packed.others.len(), "session")
        ));
    }
    if !packed.left_out.is_empty() {
        text.push_str("\nLeft out\n--------\n");
        for line in &packed.left_out {
            text.push_str(&format!("{}\n", terminal(line)));
        }
    }
    text
}
