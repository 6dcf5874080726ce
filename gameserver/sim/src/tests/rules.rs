//! The rules of the game, one by one. Kinds of things are chosen by what they are, not by name, so that
//! content can change without the rules.

mod creatures;
mod fighting;
mod making;
mod stage;
mod things;
mod trading;
