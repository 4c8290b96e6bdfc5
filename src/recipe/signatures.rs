//! The graph of what tasks depend on, and the hashes over it.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::basehash::Node;
use super::names::{Name, Names};
use crate::data::Text;

/// Everything that was found out about a recipe's tasks.
#[derive(Default, Clone)]
pub struct Signatures {
    /// The tasks, in order of declaration.
    pub tasks: Vec<Rc<str>>,
    /// For each task its basehash, in hexadecimal.
    pub hashes: Vec<String>,
    nodes: Vec<Rc<str>>,
    values: Vec<Option<Text>>,
    edges: Edges,
    /// The nodes in the order of their names.
    order: Vec<u32>,
    /// For each task its node and the nodes it reaches.
    reached: Vec<(u32, Bits)>,
}

impl Signatures {
    /// Every name that a task reaches, and the tasks.
    pub fn nodes(&self) -> impl Iterator<Item = &Rc<str>> {
        self.nodes.iter()
    }

    /// The names that a node refers to, given its place in [`Signatures::nodes`].
    pub fn deps(&self, node: usize) -> impl Iterator<Item = &Rc<str>> {
        self.edges.of(node as u32).iter().map(|dep| &self.nodes[*dep as usize])
    }

    /// The text that is hashed for a node, given its place.
    pub fn value(&self, node: usize) -> Option<&str> {
        self.values.get(node)?.as_deref()
    }

    /// The names that a task reaches, sorted; given the task's place in `tasks`.
    pub fn reached(&self, task: usize) -> impl Iterator<Item = &Rc<str>> {
        let reached = self.reached.get(task).map(|(_, reached)| reached);
        self.order
            .iter()
            .filter(move |node| reached.is_some_and(|reached| reached.has(**node)))
            .map(|node| &self.nodes[*node as usize])
    }

    /// Tasks without a text.
    pub fn empty_tasks(&self) -> impl Iterator<Item = &Rc<str>> {
        let empty = |node: u32| self.values[node as usize].is_none();
        self.tasks.iter().zip(&self.reached).filter(move |(_, (node, _))| empty(*node)).map(|(task, _)| task)
    }
}

/// Edges from node to node, those of one node behind those of the one before.
#[derive(Default, Clone)]
struct Edges {
    /// Where each node's end.
    ends: Vec<u32>,
    to: Vec<u32>,
}

impl Edges {
    fn of(&self, node: u32) -> &[u32] {
        let from = match node {
            0 => 0,
            node => self.ends[node as usize - 1],
        };
        &self.to[from as usize..self.ends[node as usize] as usize]
    }
}

/// Nodes that are being found.
#[derive(Default)]
pub(super) struct Graph {
    /// By place: its name.
    names: Vec<Name>,
    values: Vec<Option<Text>>,
    edges: Edges,
    /// By place: the last node that referred to it, counted from 1.
    last: Vec<u32>,
    tasks: Vec<u32>,
}

impl Graph {
    /// Adds a task.
    pub fn task(&mut self, name: Name, names: &mut Names) {
        let place = self.place(name, names);
        self.tasks.push(place);
    }

    /// The next name that has no node yet.
    pub fn next(&self) -> Option<Name> {
        self.names.get(self.values.len()).copied()
    }

    /// The node of the next name.
    pub fn add(&mut self, node: Node, names: &mut Names) {
        let own = self.values.len() as u32 + 1;
        for dep in node.deps {
            if names.ignores(dep) || node.excluded.contains(&dep) {
                continue;
            }
            let place = self.place(dep, names);
            let last = &mut self.last[place as usize];
            if *last != own {
                *last = own;
                self.edges.to.push(place);
            }
        }
        self.edges.ends.push(self.edges.to.len() as u32);
        self.values.push(node.value);
    }

    fn place(&mut self, name: Name, names: &mut Names) -> u32 {
        let (place, new) = names.place(name, self.names.len() as u32);
        if new {
            self.names.push(name);
            self.last.push(0);
        }
        place
    }

    /// Hashes the tasks: the text of each, then names and texts of all it reaches, in the order of the names.
    pub fn sign(self, names: &Names) -> Signatures {
        let nodes: Vec<Rc<str>> = self.names.iter().map(|name| names.text(*name).clone()).collect();
        let order = sorted(&nodes);
        // Names and texts behind each other as they are hashed, so that neighbours go in at once.
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(order.len());
        for node in &order {
            bytes.extend_from_slice(nodes[*node as usize].as_bytes());
            if let Some(value) = &self.values[*node as usize] {
                bytes.extend_from_slice(value.as_bytes());
            }
            ends.push(bytes.len());
        }
        let mut signatures = Signatures::default();
        let mut queue = Vec::new();
        for task in &self.tasks {
            let reached = self.reached(*task, &mut queue);
            let mut hash = Sha256::new();
            hash.update(self.values[*task as usize].as_deref().unwrap_or_default());
            let mut from = 0;
            let mut to = 0;
            let mut start = 0;
            for (node, end) in order.iter().zip(&ends) {
                if reached.has(*node) {
                    if to != start {
                        hash.update(&bytes[from..to]);
                        from = start;
                    }
                    to = *end;
                }
                start = *end;
            }
            hash.update(&bytes[from..to]);
            signatures.hashes.push(hex(&hash.finalize()));
            signatures.tasks.push(nodes[*task as usize].clone());
            signatures.reached.push((*task, reached));
        }
        Signatures { nodes, values: self.values, edges: self.edges, order, ..signatures }
    }

    /// The nodes reached over at least one edge. `queue` is room to work in.
    fn reached(&self, start: u32, queue: &mut Vec<u32>) -> Bits {
        let mut seen = Bits::new(self.names.len());
        queue.extend_from_slice(self.edges.of(start));
        while let Some(node) = queue.pop() {
            if seen.insert(node) {
                queue.extend(self.edges.of(node).iter().filter(|next| !seen.has(**next)));
            }
        }
        seen
    }
}

/// The places of names, in the order of the names.
fn sorted(names: &[Rc<str>]) -> Vec<u32> {
    // The first bytes as a number decide nearly always, without a look at the text itself.
    let start = |name: &str| {
        let mut start = [0; 8];
        let length = name.len().min(8);
        start[..length].copy_from_slice(&name.as_bytes()[..length]);
        u64::from_be_bytes(start)
    };
    let mut keys: Vec<(u64, u32)> = names.iter().zip(0..).map(|(name, place)| (start(name), place)).collect();
    keys.sort_unstable_by(|a, b| {
        a.0.cmp(&b.0).then_with(|| names[a.1 as usize].as_bytes().cmp(names[b.1 as usize].as_bytes()))
    });
    keys.into_iter().map(|(_, place)| place).collect()
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A set of small numbers.
#[derive(Clone)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(size: usize) -> Self {
        Bits(vec![0; size.div_ceil(64)])
    }

    fn has(&self, at: u32) -> bool {
        self.0[at as usize / 64] & (1 << (at % 64)) != 0
    }

    /// True if it was not there.
    fn insert(&mut self, at: u32) -> bool {
        let new = !self.has(at);
        self.0[at as usize / 64] |= 1 << (at % 64);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_bytes() {
        let names: Vec<Rc<str>> =
            ["do_compile[dirs]", "B", "do_compile", "", "do_comp", "é", "do_compil", "A:append"]
                .map(Rc::from)
                .into();
        let mut expected = names.clone();
        expected.sort();
        let got: Vec<Rc<str>> =
            sorted(&names).into_iter().map(|place| names[place as usize].clone()).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn bytes_as_digits() {
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
    }
}
