//! External chunks of a result: taken out of an answer, and named anew for the agent.
//!
//! What fetches a chunk from storage (its presigned address, the key in its headers) works for anyone who holds it. It
//! stays here; the answer gets addresses at the account's own host that are good in one session.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::json::Object;
use super::secret::Secret;

/// Most chunks of one result. Source: at Snowflake's 16 MB and more a chunk, a result of 300 GB.
pub const CHUNKS_MAX: usize = 20_000;

/// Where the agent asks for chunks.
pub const CHUNK_PATH: &str = "/icecore/chunks/";

/// The header that the agent gets in the place of the real ones. One must be there: drivers that find none make up an
/// encryption key's from `qrmk` (protocol reference 5.5).
const AGENT_HEADER: (&str, &str) = ("x-icecore-chunk", "1");

/// Headers by which storage decrypts with `qrmk`, where Snowflake names none (protocol reference 5.5).
const ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
/// The header that holds the key itself.
const KEY: &str = "x-amz-server-side-encryption-customer-key";

/// Why an answer's chunks cannot be carried; says nothing of an address or a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The list is no list of objects.
    #[error("`chunks` is not a list of objects whose keys stand once")]
    List,
    /// The list is longer than a session's handles.
    #[error("the result has {0} chunks, more than {CHUNKS_MAX}; ask for fewer rows at once")]
    TooMany(usize),
    /// A chunk's address is none that may be asked.
    #[error("the address of chunk {0} is not `https://` and a host name")]
    Address(usize),
    /// A chunk has a member that may be a key.
    #[error("chunk {index} has a member `{member}` that Icecore does not know")]
    Member {
        /// The chunk's place.
        index: usize,
        /// The member's name.
        member: String,
    },
    /// The headers are none.
    #[error("`chunkHeaders` is not an object of HTTP headers")]
    Headers,
    /// The answer could not be written.
    #[error("the chunks could not be written")]
    Write,
}

/// An agent's name of a chunk: whoever knows it in its session may have the chunk, so it cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChunkId([u8; 32]);

impl ChunkId {
    /// Makes a name from 244 random bits.
    #[must_use]
    pub fn mint() -> Self {
        let mut bytes = [0; 32];
        let halves = [*Uuid::new_v4().as_bytes(), *Uuid::new_v4().as_bytes()];
        for (to, from) in bytes.iter_mut().zip(halves.as_flattened()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// Reads 64 lower-case hexadecimal digits; any other spelling is no name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (to, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *to = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }

    /// Gives the bytes, for a digest of them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkId")
    }
}

/// What fetches one chunk from storage.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub(super) index: i32,
    pub(super) rows: Option<i64>,
    pub(super) host: String,
    pub(super) url: Secret,
    pub(super) headers: Arc<[(String, Secret)]>,
}

impl Chunk {
    /// Gives the chunk's place in its result, from 0.
    #[must_use]
    pub fn index(&self) -> i32 {
        self.index
    }

    /// Gives the number of its rows, as Snowflake tells it.
    #[must_use]
    pub fn rows(&self) -> Option<i64> {
        self.rows
    }

    /// Names the storage host, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Gives the real address.
    pub(crate) fn url(&self) -> &Secret {
        &self.url
    }

    /// Gives the headers that storage demands.
    pub(crate) fn headers(&self) -> &[(String, Secret)] {
        &self.headers
    }
}

/// A chunk and the name under which the agent asks for it.
#[derive(Clone, Debug)]
pub struct NamedChunk {
    /// The agent's name of it.
    pub id: ChunkId,
    /// The chunk.
    pub chunk: Chunk,
}

/// Takes the chunks out of an answer's `data` and puts addresses at `host` in their place.
///
/// # Errors
/// See `ChunkError`; `data` must then not be used.
pub(super) fn name(data: &mut Object, host: &str) -> Result<Vec<NamedChunk>, ChunkError> {
    let headers = headers(data)?;
    data.remove("qrmk");
    if !data.has_content("chunks") {
        data.remove("chunkHeaders");
        return Ok(Vec::new());
    }
    let mut list: Vec<Object> = data.read_as("chunks").ok_or(ChunkError::List)?;
    if list.len() > CHUNKS_MAX {
        return Err(ChunkError::TooMany(list.len()));
    }
    let mut named = Vec::with_capacity(list.len());
    for (index, member) in list.iter_mut().enumerate() {
        let id = ChunkId::mint();
        let chunk = read(member, index, &headers)?;
        let url = format!("https://{host}{CHUNK_PATH}{id}");
        member.set("url", &url).map_err(|_| ChunkError::Write)?;
        named.push(NamedChunk { id, chunk });
    }
    data.set("chunks", &list).map_err(|_| ChunkError::Write)?;
    let mut harmless = Object::default();
    let (header, value) = AGENT_HEADER;
    harmless.set(header, value).map_err(|_| ChunkError::Write)?;
    data.set("chunkHeaders", &harmless)
        .map_err(|_| ChunkError::Write)?;
    Ok(named)
}

/// Reads one chunk. What it holds beside its address are numbers; anything else may be a key.
fn read(
    member: &Object,
    index: usize,
    headers: &Arc<[(String, Secret)]>,
) -> Result<Chunk, ChunkError> {
    let unknown = member.members().find(|(key, value)| {
        let first = value.get().bytes().next();
        *key != "url" && first.is_none_or(|first| matches!(first, b'"' | b'{' | b'['))
    });
    if let Some((member, _)) = unknown {
        let member = member.to_owned();
        return Err(ChunkError::Member { index, member });
    }
    let url: String = member.read_as("url").ok_or(ChunkError::Address(index))?;
    let host = host_of(&url).ok_or(ChunkError::Address(index))?;
    Ok(Chunk {
        index: i32::try_from(index).unwrap_or(i32::MAX),
        rows: member.read_as("rowCount"),
        host,
        url: Secret::new(url),
        headers: Arc::clone(headers),
    })
}

/// Finds the host of an address that storage may be asked under: `https`, a name with a dot whose last part begins with
/// a letter (so no address in digits), port 443, no user, no fragment.
pub(super) fn host_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains(['#', '\\']) {
        return None;
    }
    let end = rest.find(['/', '?'])?;
    let authority = rest.get(..end)?;
    let host = authority.strip_suffix(":443").unwrap_or(authority);
    let (front, last) = host.rsplit_once('.')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_name = !front.is_empty()
        && host.len() <= 253
        && host.bytes().all(plain)
        && last.starts_with(|first: char| first.is_ascii_alphabetic());
    is_name.then(|| host.to_ascii_lowercase())
}

/// Reads the headers that storage demands, or makes them from `qrmk`.
fn headers(data: &Object) -> Result<Arc<[(String, Secret)]>, ChunkError> {
    if data.has_content("chunkHeaders") {
        let members: Object = data.read_as("chunkHeaders").ok_or(ChunkError::Headers)?;
        return members
            .members()
            .map(|(name, value)| {
                let text: String =
                    serde_json::from_str(value.get()).map_err(|_| ChunkError::Headers)?;
                is_header(name, &text)
                    .then(|| (name.to_owned(), Secret::new(text)))
                    .ok_or(ChunkError::Headers)
            })
            .collect();
    }
    match data.read_as::<String>("qrmk").filter(|key| !key.is_empty()) {
        Some(key) if is_header(KEY, &key) => Ok(Arc::from([
            (ALGORITHM.to_owned(), Secret::new("AES256".to_owned())),
            (KEY.to_owned(), Secret::new(key)),
        ])),
        Some(_) => Err(ChunkError::Headers),
        None => Ok(Arc::from([])),
    }
}

/// Tells whether a header may go to storage: what frames or routes a request is ours to write.
fn is_header(name: &str, value: &str) -> bool {
    const OURS: [&str; 9] = [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "range",
        "accept-encoding",
    ];
    let token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty()
        && name.bytes().all(token)
        && !OURS.contains(&name.to_ascii_lowercase().as_str())
        && value
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUCKET: &str = "https://sfc-1.s3.us-west-2.amazonaws.com/results/a_0?x-amz-sig=CANARY";

    fn object(text: &str) -> Object {
        Object::read(text.as_bytes()).unwrap()
    }

    fn written(data: &Object) -> String {
        String::from_utf8(data.write().unwrap()).unwrap()
    }

    #[test]
    fn the_agent_gets_addresses_of_ours_and_one_harmless_header() {
        let mut data = object(&format!(
            r#"{{"total":9,"chunks":[{{"url":"{BUCKET}","rowCount":4,"uncompressedSize":100,"compressedSize":50}}],"qrmk":"CANARY","chunkHeaders":{{"x-amz-server-side-encryption-customer-key":"CANARY"}},"rowset":[]}}"#
        ));
        let named = name(&mut data, "acme.snowflakecomputing.com").unwrap();
        let [NamedChunk { id, chunk }] = named.as_slice() else {
            panic!("{named:?}")
        };
        assert_eq!(
            written(&data),
            format!(
                r#"{{"total":9,"chunks":[{{"url":"https://acme.snowflakecomputing.com/icecore/chunks/{id}","rowCount":4,"uncompressedSize":100,"compressedSize":50}}],"chunkHeaders":{{"x-icecore-chunk":"1"}},"rowset":[]}}"#
            )
        );
        assert_eq!((chunk.index(), chunk.rows()), (0, Some(4)));
        assert_eq!(chunk.host(), "sfc-1.s3.us-west-2.amazonaws.com");
        assert_eq!(chunk.url().reveal(), BUCKET);
        assert_eq!(chunk.headers()[0].0, KEY);
        assert!(!format!("{named:?}").contains("CANARY"));
        assert_eq!(ChunkId::parse(&id.to_string()), Some(*id));
    }

    #[test]
    fn without_headers_the_key_makes_them_and_without_chunks_both_go() {
        let mut data = object(&format!(
            r#"{{"chunks":[{{"url":"{BUCKET}"}}],"qrmk":"CANARY"}}"#
        ));
        let named = name(&mut data, "h").unwrap();
        let headers = named[0].chunk.headers();
        assert_eq!(
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.reveal()))
                .collect::<Vec<_>>(),
            [(ALGORITHM, "AES256"), (KEY, "CANARY")]
        );
        assert!(!written(&data).contains("CANARY"));
        let mut data =
            object(r#"{"chunks":[],"QRMK":"CANARY","chunkHeaders":{"x":"CANARY"},"rowset":[]}"#);
        assert!(name(&mut data, "h").unwrap().is_empty());
        assert_eq!(written(&data), r#"{"chunks":[],"rowset":[]}"#);
    }

    #[test]
    fn an_address_is_https_and_a_host_name() {
        for url in [
            "https://b.blob.core.windows.net/r?sig=1",
            "https://STORAGE.googleapis.com:443/b/r?a=b",
        ] {
            assert!(host_of(url).is_some(), "{url}");
        }
        for url in [
            "http://bucket.s3.amazonaws.com/r",
            "https://127.0.0.1/r",
            "https://2130706433/r",
            "https://0x7f.1/r",
            "https://[::1]/r",
            "https://localhost/r",
            "https://a.b:8443/r",
            "https://u@a.b/r",
            "https://a.b\\@c.d/r",
            "https://a.b./r",
            "https://a.b/r#x",
            "https://a.b/r x",
            "https://a.b",
            "//a.b/r",
            "HTTPS://a.b/r",
        ] {
            assert_eq!(host_of(url), None, "{url}");
        }
    }

    #[test]
    fn what_may_be_a_key_or_a_header_of_ours_is_not_carried() {
        for text in [
            format!(r#"{{"chunks":[{{"url":"{BUCKET}","key":"k"}}]}}"#),
            format!(r#"{{"chunks":[{{"url":"{BUCKET}","URL":"k"}}]}}"#),
            format!(r#"{{"chunks":[{{"url":"{BUCKET}"}}],"chunkHeaders":{{"Host":"x"}}}}"#),
            format!(r#"{{"chunks":[{{"url":"{BUCKET}"}}],"chunkHeaders":{{"x":"a\r\nb: c"}}}}"#),
            format!(r#"{{"chunks":[{{"url":"{BUCKET}"}}],"chunkHeaders":["x"]}}"#),
            format!(r#"{{"chunks":{{"url":"{BUCKET}"}}}}"#),
            r#"{"chunks":[{"rowCount":1}]}"#.to_owned(),
        ] {
            assert!(name(&mut object(&text), "h").is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_address_and_no_header_stays(
            paths in prop::collection::vec("[a-z0-9/?=&%.-]{0,30}", 0..5),
            headers in prop::collection::vec("[a-z-]{1,12}", 0..4),
            qrmk in any::<bool>(),
        ) {
            let chunks: Vec<String> = paths
                .iter()
                .map(|path| format!(r#"{{"url":"https://canary.example.com/canary{path}","rowCount":1}}"#))
                .collect();
            let headers: std::collections::BTreeSet<String> = headers.into_iter().collect();
            let headers: Vec<String> = headers.iter().map(|name| format!(r#""x-{name}":"canary""#)).collect();
            let qrmk = if qrmk { r#","qrmk":"canary""# } else { "" };
            let text = format!(
                r#"{{"chunks":[{}],"chunkHeaders":{{{}}}{qrmk}}}"#,
                chunks.join(","),
                headers.join(",")
            );
            let mut data = object(&text);
            let named = name(&mut data, "acme.example").unwrap();
            prop_assert_eq!(named.len(), paths.len());
            prop_assert!(!written(&data).contains("canary"));
            let ids: std::collections::BTreeSet<String> = named.iter().map(|named| named.id.to_string()).collect();
            prop_assert_eq!(ids.len(), named.len());
        }

        #[test]
        fn any_answer_gives_chunks_or_an_error(text in r#"\{"chunks":[\[\]{}":,a-z0-9]{0,40}\}"#) {
            if let Ok(mut data) = Object::read(text.as_bytes()) {
                drop(name(&mut data, "h"));
            }
        }
    }
}
