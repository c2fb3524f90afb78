//! What the targets of models' bodies share: an API, a body and how it is cut, out of bytes.

use icecore::prompt::Api;

const APIS: [Api; 6] = [
    Api::Messages,
    Api::Responses,
    Api::Chat,
    Api::BedrockInvoke,
    Api::BedrockConverse,
    Api::Gemini,
];

/// An API, a number to choose something else by, a body, and the body in pieces: two, and many of one length.
pub type Cut<'b> = (Api, usize, &'b [u8], [Vec<&'b [u8]>; 2]);

/// The first byte chooses the API and the number, the second one the cuts; the rest is the body.
pub fn of(bytes: &[u8]) -> Option<Cut<'_>> {
    let ([which, cut], body) = bytes.split_first_chunk::<2>()?;
    let (which, cut) = (usize::from(*which), usize::from(*cut));
    let (front, back) = body.split_at(cut.min(body.len()));
    let even = body.chunks(cut % 7 + 1).collect();
    let cuts = [vec![front, back], even];
    Some((APIS[which % APIS.len()], which / APIS.len(), body, cuts))
}
