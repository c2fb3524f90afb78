//! A body in pieces is the same as the body at once, whatever it holds.

use proptest::prelude::*;

use super::*;

const APIS: [Api; 6] = [
    Api::Messages,
    Api::Responses,
    Api::Chat,
    Api::BedrockInvoke,
    Api::BedrockConverse,
    Api::Gemini,
];

const KINDS: [Option<&str>; 4] = [None, Some(EVENTS), Some(FRAMES), Some(JSON)];

/// Good bodies that are then changed.
const BODIES: [&[u8]; 8] = [
    include_bytes!("../../testdata/messages.sse"),
    include_bytes!("../../testdata/responses.sse"),
    include_bytes!("../../testdata/chat.sse"),
    include_bytes!("../../testdata/invoke.bin"),
    include_bytes!("../../testdata/converse.bin"),
    include_bytes!("../../testdata/gemini.sse"),
    include_bytes!("../../testdata/messages.json"),
    include_bytes!("../../testdata/claude_code_4.json"),
];

#[test]
fn an_answer_split_at_every_byte_is_the_same() {
    for (name, api, kind, body) in ANSWERS {
        let whole = answered(api, Some(kind), &[body]);
        for at in 0..=body.len() {
            let (front, back) = body.split_at(at);
            assert_eq!(
                answered(api, Some(kind), &[front, back]),
                whole,
                "{name} at {at}"
            );
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(
            answered(api, Some(kind), &bytes),
            whole,
            "{name}, byte by byte"
        );
        // The form shows from the first byte too.
        assert_eq!(
            answered(api, None, &bytes),
            whole,
            "{name}, without a content type"
        );
    }
}

#[test]
fn a_request_split_at_every_byte_is_the_same() {
    for (name, api, body) in REQUESTS {
        let whole = requested(api, "", &[body], &mut History::new("s"));
        assert_eq!(whole.status, ParseStatus::Whole, "{name}");
        for at in 0..=body.len() {
            let (front, back) = body.split_at(at);
            let split = requested(api, "", &[front, back], &mut History::new("s"));
            assert_eq!(split, whole, "{name} at {at}");
        }
    }
}

proptest! {
    #[test]
    fn an_answer_in_three_pieces_is_the_same(which in 0..ANSWERS.len(), a in 0_usize..6000, b in 0_usize..6000) {
        let (name, api, kind, body) = ANSWERS[which];
        let (a, b) = (a.min(b).min(body.len()), a.max(b).min(body.len()));
        let pieces = [&body[..a], &body[a..b], &body[b..]];
        prop_assert_eq!(answered(api, Some(kind), &pieces), answered(api, Some(kind), &[body]), "{}", name);
    }

    /// Whatever of an answer arrives, what is given of it is a front of what the whole gives, but for what is open.
    #[test]
    fn a_broken_off_answer_gives_a_front_of_the_whole(which in 0..ANSWERS.len(), end in 0_usize..6000) {
        let (name, api, kind, body) = ANSWERS[which];
        let end = end.min(body.len());
        let (whole, _) = answered(api, Some(kind), &[body]);
        let (calls, answer) = answered(api, Some(kind), &[&body[..end]]);
        let closed: Vec<&ToolCall> =
            calls.iter().filter(|call| call.args_status != ArgsStatus::Unfinished).collect();
        prop_assert!(closed.len() <= whole.len() && closed.iter().zip(&whole).all(|(a, b)| *a == b), "{}", name);
        let fits = end == body.len() || answer.status == ParseStatus::Unfinished || closed.len() == whole.len();
        prop_assert!(fits, "{}: {:?}", name, answer);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_pieces_do_not_matter(
        api in prop::sample::select(&APIS),
        kind in prop::sample::select(&KINDS),
        body in prop::sample::select(&BODIES),
        at in 0_usize..6000,
        cut in 0_usize..6000,
        other in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n')], 0..12),
    ) {
        let at = at.min(body.len());
        let behind = (at + other.len() / 2).min(body.len());
        let changed = [&other[..other.len() / 3], &body[..at], &other, &body[behind..]].concat();
        let (front, back) = changed.split_at(cut.min(changed.len()));
        prop_assert_eq!(answered(api, kind, &[front, back]), answered(api, kind, &[&changed]));
        let mut history = History::new("s");
        drop(request(api, &changed, &mut history));
        drop(request(api, &other, &mut history));
    }
}
