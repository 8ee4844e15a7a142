//! Inputs: an item of the corpus, changed in a few places.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Inputs grow no further. What a reader does with more, it does with so much.
const MAX_INPUT_BYTES: usize = 256 * 1024;

/// Maximum changes of one input.
const MAX_STEPS: usize = 8;

/// Maximum bytes that a step removes, repeats or takes from another item: an entry of an archive, a line, a name.
const MAX_PIECE_BYTES: usize = 512;

/// Maximum times that a piece is repeated.
const MAX_TIMES: usize = 64;

/// One change. Every place counts modulo the length of what there is.
#[derive(Debug, Clone)]
enum Step {
    FlipBit { at: Index, bit: u8 },
    SetByte { at: Index, byte: u8 },
    InsertWord { at: Index, word: Index },
    PutWordOver { at: Index, word: Index },
    Remove { at: Index, bytes: usize },
    Repeat { at: Index, bytes: usize, times: usize },
    Move { from: Index, to: Index, bytes: usize },
    TakeFromAnother { at: Index, item: Index, from: Index, bytes: usize },
    Cut { at: Index },
}

/// What inputs are made of.
#[derive(Debug)]
pub(crate) struct Material {
    /// Whole inputs.
    pub(crate) items: Vec<Vec<u8>>,
    /// What a reader looks for.
    pub(crate) words: Vec<Vec<u8>>,
}

/// Items of `material`, changed.
pub(crate) fn inputs(material: Arc<Material>) -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), vec(step(), 0..=MAX_STEPS)).prop_map(move |(item, steps)| {
        let mut input = item.get(&material.items).clone();
        steps.iter().for_each(|step| apply(step, &mut input, &material));
        input.truncate(MAX_INPUT_BYTES);
        input
    })
}

fn step() -> impl Strategy<Value = Step> {
    let at = any::<Index>;
    let piece = || prop_oneof![3 => 1..16_usize, 1 => 1..=MAX_PIECE_BYTES];
    let times = prop_oneof![3 => 1..4_usize, 1 => 1..=MAX_TIMES];
    prop_oneof![
        1 => (at(), 0..8_u8).prop_map(|(at, bit)| Step::FlipBit { at, bit }),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Step::SetByte { at, byte }),
        2 => (at(), at()).prop_map(|(at, word)| Step::InsertWord { at, word }),
        2 => (at(), at()).prop_map(|(at, word)| Step::PutWordOver { at, word }),
        1 => (at(), piece()).prop_map(|(at, bytes)| Step::Remove { at, bytes }),
        1 => (at(), piece(), times).prop_map(|(at, bytes, times)| Step::Repeat { at, bytes, times }),
        1 => (at(), at(), piece()).prop_map(|(from, to, bytes)| Step::Move { from, to, bytes }),
        1 => (at(), at(), at(), piece())
            .prop_map(|(at, item, from, bytes)| Step::TakeFromAnother { at, item, from, bytes }),
        1 => at().prop_map(|at| Step::Cut { at }),
    ]
}

fn apply(step: &Step, input: &mut Vec<u8>, material: &Material) {
    // One more than there are, so that the end is a place, too.
    let place = |at: &Index, input: &[u8]| at.index(input.len() + 1);
    let piece = |at: &Index, bytes: usize, input: &[u8]| {
        let start = place(at, input);
        start..(start + bytes).min(input.len())
    };
    let insert = |input: &mut Vec<u8>, at: usize, bytes: &[u8]| drop(input.splice(at..at, bytes.iter().copied()));
    match step {
        Step::FlipBit { at, bit } => {
            if !input.is_empty() {
                *at.get_mut(input) ^= 1 << bit;
            }
        }
        Step::SetByte { at, byte } => {
            if !input.is_empty() {
                *at.get_mut(input) = *byte;
            }
        }
        Step::InsertWord { at, word } => {
            let at = place(at, input);
            let word: &Vec<u8> = word.get(&material.words);
            insert(input, at, word);
        }
        Step::PutWordOver { at, word } => {
            let word = word.get(&material.words);
            let over = piece(at, word.len(), input);
            input.splice(over, word.iter().copied());
        }
        Step::Remove { at, bytes } => drop(input.drain(piece(at, *bytes, input))),
        Step::Repeat { at, bytes, times } => {
            let repeated = piece(at, *bytes, input);
            let more = input[repeated.clone()].repeat(*times);
            insert(input, repeated.end, &more);
        }
        Step::Move { from, to, bytes } => {
            let moved: Vec<u8> = input.drain(piece(from, *bytes, input)).collect();
            let at = place(to, input);
            insert(input, at, &moved);
        }
        Step::TakeFromAnother { at, item, from, bytes } => {
            let other = item.get(&material.items);
            let at = place(at, input);
            insert(input, at, &other[piece(from, *bytes, other)]);
        }
        Step::Cut { at } => input.truncate(place(at, input)),
    }
}
