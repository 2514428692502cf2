//! Small texts that stay: in cells of one size, as many as a text needs.
//!
//! They stay for days and come in thousands of lengths, among much that comes and goes at each look. A general allocator keeps as
//! much again in the holes between them; cells leave none, and half a cell of each text is lost.

/// No cell.
const NONE: u32 = u32::MAX;
/// Bytes of room that is made first. A general allocator takes so much from the system apart from what comes and goes, as long as nothing
/// as large came and went (mallopt(3), `M_MMAP_THRESHOLD`). It takes no memory before it is used.
const ROOM_MIN: usize = 256 << 10;

/// For how many there is room in a [roomy] list.
pub(crate) const fn room<T>() -> usize {
    ROOM_MIN / size_of::<T>()
}

/// An empty list of what stays, with room of its own from the first entry on.
pub(crate) fn roomy<T>() -> Vec<T> {
    Vec::with_capacity(room::<T>())
}

/// Texts in cells of `PAYLOAD` bytes, best a multiple of 4. Room that was needed once is kept for the texts to come.
#[derive(Debug)]
pub(crate) struct Cells<const PAYLOAD: usize> {
    cells: Vec<Cell<PAYLOAD>>,
    /// The first of the cells that no text needs.
    free: u32,
}

#[derive(Clone, Debug)]
struct Cell<const PAYLOAD: usize> {
    /// The number of the cell with the rest.
    next: u32,
    bytes: [u8; PAYLOAD],
}

/// A text that lies in cells. Whoever has it gives it back to [`Cells::remove`].
#[derive(Debug)]
#[must_use = "its cells are taken until it is given back"]
pub(crate) struct Stored {
    first: u32,
    bytes: u32,
}

impl<const PAYLOAD: usize> Default for Cells<PAYLOAD> {
    fn default() -> Self {
        Cells {
            cells: Vec::new(),
            free: NONE,
        }
    }
}

impl<const PAYLOAD: usize> Cells<PAYLOAD> {
    /// Lays a part of a text down in front of the rest; the number of its cell.
    fn lay(&mut self, part: &[u8], rest: u32) -> u32 {
        if self.free == NONE {
            if self.cells.is_empty() {
                self.cells = roomy();
            }
            self.free = u32::try_from(self.cells.len()).expect("memory is less");
            self.cells.push(Cell {
                next: NONE,
                bytes: [0; PAYLOAD],
            });
        }
        let taken = self.free;
        let cell = &mut self.cells[taken as usize];
        self.free = std::mem::replace(&mut cell.next, rest);
        cell.bytes[..part.len()].copy_from_slice(part);
        taken
    }

    /// Lays a text down.
    pub(crate) fn put(&mut self, text: &[u8]) -> Stored {
        // From its end, so that each cell knows where the rest is.
        let parts = text.chunks(PAYLOAD).rev();
        Stored {
            first: parts.fold(NONE, |rest, part| self.lay(part, rest)),
            bytes: u32::try_from(text.len()).expect("an API server's objects are of a few MB"),
        }
    }

    /// The parts of a text.
    fn parts(&self, stored: &Stored) -> impl Iterator<Item = &[u8]> {
        let mut number = stored.first;
        let mut left = stored.bytes as usize;
        std::iter::from_fn(move || {
            let cell = self.cells.get(number as usize).filter(|_| left > 0)?;
            let part = &cell.bytes[..left.min(PAYLOAD)];
            (number, left) = (cell.next, left - part.len());
            Some(part)
        })
    }

    /// A text.
    pub(crate) fn get(&self, stored: &Stored) -> Vec<u8> {
        let mut text = Vec::with_capacity(stored.bytes as usize);
        for part in self.parts(stored) {
            text.extend_from_slice(part);
        }
        text
    }

    /// Whether it is this text.
    pub(crate) fn is(&self, stored: &Stored, text: &[u8]) -> bool {
        stored.bytes as usize == text.len()
            && self
                .parts(stored)
                .zip(text.chunks(PAYLOAD))
                .all(|(one, other)| one == other)
    }

    /// Forgets a text.
    pub(crate) fn remove(&mut self, stored: Stored) {
        let mut number = stored.first;
        while let Some(cell) = self.cells.get_mut(number as usize) {
            let next = std::mem::replace(&mut cell.next, self.free);
            self.free = number;
            number = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: usize = 124;

    fn text(seed: usize) -> Vec<u8> {
        let length = seed * 7_919 % 3_000;
        (0..length).map(|at| (at * 31 + seed) as u8).collect()
    }

    #[test]
    fn texts_come_out_as_they_went_in_while_others_come_and_go() {
        let mut cells = Cells::<PAYLOAD>::default();
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
        let mut cells = Cells::<PAYLOAD>::default();
        for round in 0..100 {
            let stored: Vec<Stored> = (0..200)
                .map(|seed| cells.put(&text(seed + round)))
                .collect();
            stored.into_iter().for_each(|stored| cells.remove(stored));
        }
        // 200 texts of at most 3,000 bytes.
        let most = 200 * 3_000_usize.div_ceil(PAYLOAD);
        assert!(cells.cells.len() <= most, "{} of {most}", cells.cells.len());
    }

    #[test]
    fn lengths_about_a_cell_are_whole() {
        let mut cells = Cells::<PAYLOAD>::default();
        for length in [0, 1, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 2 * PAYLOAD] {
            let text = vec![7; length];
            let stored = cells.put(&text);
            assert_eq!(cells.get(&stored), text);
            assert!(cells.is(&stored, &text));
            let mut other = text.clone();
            other.push(7);
            assert!(!cells.is(&stored, &other), "a longer one");
            other.truncate(length);
            if let Some(last) = other.last_mut() {
                *last = 8;
                assert!(!cells.is(&stored, &other), "another end");
            }
            cells.remove(stored);
        }
        assert_eq!(cells.cells.len(), 2, "as many as the longest needs");
    }
}
