//! Where packed texts lie: in cells of one size, as many as a text needs.
//!
//! Texts stay for days and come in thousands of lengths, among much that comes and goes at each look. A general allocator keeps as
//! much again in the holes between them; cells leave none, and half a cell of each text is lost.

/// Bytes of a text in a cell.
const PAYLOAD: usize = 124;
/// Cells that are made at a time: 64 KiB.
const PER_PAGE: usize = 512;
/// No cell.
const NONE: u32 = u32::MAX;

/// Texts in cells. Room that was needed once is kept for the texts to come.
#[derive(Debug)]
pub(super) struct Cells {
    pages: Vec<Box<[Cell]>>,
    /// The first of the cells that no text needs.
    free: u32,
}

#[derive(Clone, Debug)]
struct Cell {
    /// The number of the cell with the rest.
    next: u32,
    bytes: [u8; PAYLOAD],
}

/// A text that lies in cells. Whoever has it gives it back to [`Cells::remove`].
#[derive(Debug)]
pub(super) struct Stored {
    first: u32,
    bytes: u32,
}

impl Default for Cells {
    fn default() -> Self {
        Cells {
            pages: Vec::new(),
            free: NONE,
        }
    }
}

impl Cells {
    fn cell(&mut self, number: u32) -> &mut Cell {
        let number = number as usize;
        &mut self.pages[number / PER_PAGE][number % PER_PAGE]
    }

    /// A cell that nobody needs.
    fn take(&mut self) -> u32 {
        if self.free == NONE {
            let first = u32::try_from(self.pages.len() * PER_PAGE).expect("memory is less");
            let next = (first + 1..).take(PER_PAGE - 1).chain([NONE]);
            let cells = next.map(|next| Cell {
                next,
                bytes: [0; PAYLOAD],
            });
            self.pages.push(cells.collect());
            self.free = first;
        }
        let taken = self.free;
        self.free = self.cell(taken).next;
        taken
    }

    /// Lays a text down.
    pub(super) fn put(&mut self, text: &[u8]) -> Stored {
        let mut first = NONE;
        // From its end, so that each cell knows where the rest is.
        for part in text.chunks(PAYLOAD).rev() {
            let number = self.take();
            let cell = self.cell(number);
            cell.next = std::mem::replace(&mut first, number);
            cell.bytes[..part.len()].copy_from_slice(part);
        }
        Stored {
            first,
            bytes: u32::try_from(text.len()).expect("an API server's objects are of a few MB"),
        }
    }

    /// A text.
    pub(super) fn get(&self, stored: &Stored) -> Vec<u8> {
        let length = stored.bytes as usize;
        let mut text = Vec::with_capacity(length);
        let mut number = stored.first as usize;
        while text.len() < length {
            let cell = &self.pages[number / PER_PAGE][number % PER_PAGE];
            let left = (length - text.len()).min(PAYLOAD);
            text.extend_from_slice(&cell.bytes[..left]);
            number = cell.next as usize;
        }
        text
    }

    /// Forgets a text.
    pub(super) fn remove(&mut self, stored: Stored) {
        let mut number = stored.first;
        while number != NONE {
            let free = self.free;
            let next = std::mem::replace(&mut self.cell(number).next, free);
            self.free = number;
            number = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seed: usize) -> Vec<u8> {
        let length = seed * 7_919 % 3_000;
        (0..length).map(|at| (at * 31 + seed) as u8).collect()
    }

    #[test]
    fn texts_come_out_as_they_went_in_while_others_come_and_go() {
        let mut cells = Cells::default();
        let mut there: Vec<(usize, Stored)> = Vec::new();
        for seed in 0..3_000 {
            there.push((seed, cells.put(&text(seed))));
            if seed % 3 > 0 {
                let (_, stored) = there.swap_remove(seed * 13 % there.len());
                cells.remove(stored);
            }
        }
        for (seed, stored) in &there {
            assert_eq!(cells.get(stored), text(*seed), "{seed}");
        }
    }

    #[test]
    fn room_is_used_again() {
        let mut cells = Cells::default();
        for round in 0..100 {
            let stored: Vec<Stored> = (0..200)
                .map(|seed| cells.put(&text(seed + round)))
                .collect();
            stored.into_iter().for_each(|stored| cells.remove(stored));
        }
        // 200 texts of at most 3,000 bytes.
        let most = (200 * 3_000_usize.div_ceil(PAYLOAD)).div_ceil(PER_PAGE);
        assert!(cells.pages.len() <= most, "{} of {most}", cells.pages.len());
    }

    #[test]
    fn lengths_about_a_cell_are_whole() {
        let mut cells = Cells::default();
        for length in [0, 1, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 2 * PAYLOAD] {
            let text = vec![7; length];
            let stored = cells.put(&text);
            assert_eq!(cells.get(&stored), text);
            cells.remove(stored);
        }
        assert_eq!(cells.pages.len(), 1);
    }
}
