//! A chunk's real address and headers are used by `upstream` alone.

use icecore::snowflake::chunks::Chunk;

fn look(chunk: &Chunk) {
    let _address = chunk.url();
    let _headers = chunk.headers();
}

fn main() {}
