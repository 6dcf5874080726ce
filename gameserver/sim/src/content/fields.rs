//! Reads the fields of a TOML table one by one. A mistake is noted with its line and replaced by a
//! harmless value, so that one reading finds them all; nothing is built from a text with mistakes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::glyphs::GLYPHS;
use super::mistake::{Report, suggestion};
use super::types::{Amount, Color, Glyph};

/// Ids of one sort of thing, in the file's order, for references to them.
#[derive(Default)]
pub(super) struct Ids {
    numbers: BTreeMap<String, (u16, u32)>,
}

impl Ids {
    /// Takes in the next id, unless there is one like it: then the line of that one.
    pub(super) fn add(&mut self, id: &str, number: u16, line: u32) -> Result<(), u32> {
        if let Some((_, first)) = self.numbers.get(id) {
            return Err(*first);
        }
        self.numbers.insert(id.to_owned(), (number, line));
        Ok(())
    }

    fn find(&self, id: &str) -> Option<u16> {
        self.numbers.get(id).map(|(number, _)| *number)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.numbers.keys().map(String::as_str)
    }
}

/// The fields of one table.
pub(super) struct Fields<'t, 'i> {
    table: &'t DeTable<'i>,
    /// Line of the table's head.
    pub(super) line: u32,
    /// What the table is, for messages.
    what: String,
    asked: Vec<&'static str>,
}

impl<'t, 'i> Fields<'t, 'i> {
    pub(super) fn new(table: &'t DeTable<'i>, line: u32, what: String) -> Self {
        Self {
            table,
            line,
            what,
            asked: Vec::new(),
        }
    }

    /// Every field must have been asked for: whatever else is there is a mistake.
    pub(super) fn finish(self, report: &mut Report<'_>) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                let line = report.line(key.span().start);
                let known = self.asked.iter().copied();
                let hint = suggestion(name, known);
                report.at_line(line, format!("{} has no key `{name}`; {hint}", self.what));
            }
        }
    }

    /// There is such a field.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A field that is read elsewhere.
    pub(super) fn known(&mut self, key: &'static str) {
        self.asked.push(key);
    }

    /// The value of a field, and its line.
    pub(super) fn optional(
        &mut self,
        report: &Report<'_>,
        key: &'static str,
    ) -> Option<(&'t DeValue<'i>, u32)> {
        self.asked.push(key);
        let value: &Spanned<DeValue<'_>> = self.table.get(key)?;
        Some((value.get_ref(), report.line(value.span().start)))
    }

    fn required(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        example: &str,
    ) -> Option<(&'t DeValue<'i>, u32)> {
        let value = self.optional(report, key);
        if value.is_none() {
            let message = format!("{} has no `{key}`; add {key} = {example}", self.what);
            report.at_line(self.line, message);
        }
        value
    }

    /// A whole number within a range.
    pub(super) fn number<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        range: RangeInclusive<T>,
    ) -> T
    where
        T: Copy + TryFrom<i64> + Into<i64>,
    {
        let example = (*range.start()).into().to_string();
        match self.required(report, key, &example) {
            Some((value, line)) => number(report, value, line, key, &range),
            None => *range.start(),
        }
    }

    /// A whole number within a range, or one for where it is left out.
    pub(super) fn number_or<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        range: RangeInclusive<T>,
        otherwise: T,
    ) -> T
    where
        T: Copy + TryFrom<i64> + Into<i64>,
    {
        match self.optional(report, key) {
            Some((value, line)) => number(report, value, line, key, &range),
            None => otherwise,
        }
    }

    /// `true` or `false`; false where it is left out.
    pub(super) fn flag(&mut self, report: &mut Report<'_>, key: &'static str) -> bool {
        match self.optional(report, key) {
            None => false,
            Some((DeValue::Boolean(value), _)) => *value,
            Some((value, line)) => {
                wrong_type(report, line, key, value, "true or false");
                false
            }
        }
    }

    /// A text of 1 to `most` characters without control characters.
    pub(super) fn text(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        most: u16,
    ) -> Box<str> {
        let Some((value, line)) = self.required(report, key, "\"...\"") else {
            return Box::default();
        };
        let Some(text) = string(report, value, line, key) else {
            return Box::default();
        };
        let length = text.chars().count();
        if length == 0 || length > most.into() {
            let message = format!("`{key}` has {length} characters; write 1 to {most}");
            report.at_line(line, message);
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            let message =
                format!("`{key}` has control characters or spaces around it; take them out");
            report.at_line(line, message);
        }
        text.into()
    }

    /// The line of a field, or of the table where it is left out.
    pub(super) fn line_of(&self, report: &Report<'_>, key: &str) -> u32 {
        self.table
            .get(key)
            .map_or(self.line, |value| report.line(value.span().start))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let example = choices.first().map_or("", |(word, _)| word);
        let (value, line) = self.required(report, key, &format!("\"{example}\""))?;
        choice(report, value, line, key, choices)
    }

    /// One of a few words, or one for where it is left out.
    pub(super) fn choice_or<T: Copy>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        choices: &[(&str, T)],
        otherwise: T,
    ) -> T {
        match self.optional(report, key) {
            Some((value, line)) => choice(report, value, line, key, choices).unwrap_or(otherwise),
            None => otherwise,
        }
    }

    /// A color as "#rrggbb".
    pub(super) fn color(&mut self, report: &mut Report<'_>) -> Color {
        let key = "color";
        let Some((value, line)) = self.required(report, key, "\"#7f9f5f\"") else {
            return Color(0);
        };
        let Some(text) = string(report, value, line, key) else {
            return Color(0);
        };
        let digits = text.strip_prefix('#').filter(|digits| {
            digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        let color = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        color.map_or_else(
            || {
                let message = format!(
                    "`{}` is no color; write # and six hexadecimal digits, as \"#7f9f5f\"",
                    shown(text)
                );
                report.at_line(line, message);
                Color(0)
            },
            Color,
        )
    }

    /// A shape that clients can draw.
    pub(super) fn glyph(&mut self, report: &mut Report<'_>) -> Glyph {
        let key = "glyph";
        let none = Glyph("");
        let Some((value, line)) = self.required(report, key, "\"stone\"") else {
            return none;
        };
        let Some(text) = string(report, value, line, key) else {
            return none;
        };
        match GLYPHS.iter().find(|glyph| **glyph == text) {
            Some(glyph) => Glyph(glyph),
            None => {
                let hint = suggestion(text, GLYPHS.iter().copied());
                report.at_line(line, format!("no client draws `{}`; {hint}", shown(text)));
                none
            }
        }
    }

    /// The number of another thing of the file.
    pub(super) fn reference(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        sort: &str,
        ids: &Ids,
    ) -> u16 {
        let Some((value, line)) = self.required(report, key, "\"...\"") else {
            return 0;
        };
        reference(report, value, line, key, sort, ids)
    }

    /// The number of another thing of the file, if there is such a field.
    pub(super) fn reference_if_any(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        sort: &str,
        ids: &Ids,
    ) -> Option<u16> {
        let (value, line) = self.optional(report, key)?;
        Some(reference(report, value, line, key, sort, ids))
    }

    /// The numbers of other things of the file: at least one, each once, sorted.
    pub(super) fn references(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        sort: &str,
        ids: &Ids,
    ) -> Vec<u16> {
        let Some((value, line)) = self.required(report, key, "[\"...\"]") else {
            return Vec::new();
        };
        let DeValue::Array(values) = value else {
            wrong_type(report, line, key, value, "an array");
            return Vec::new();
        };
        let mut numbers = Vec::new();
        for value in values.iter() {
            let line = report.line(value.span().start);
            let number = reference(report, value.get_ref(), line, key, sort, ids);
            if numbers.contains(&number) && report.is_clean() {
                let message = format!("`{key}` names one {sort} twice; name it once");
                report.at_line(line, message);
            }
            numbers.push(number);
        }
        if numbers.is_empty() {
            report.at_line(line, format!("`{key}` is empty; name at least one {sort}"));
        }
        numbers.sort_unstable();
        numbers
    }

    /// `{ id = count, ... }`: 1 to `most` of them, sorted by number.
    pub(super) fn counts(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        sort: &str,
        ids: &Ids,
        most: u16,
    ) -> Vec<(u16, u16)> {
        let Some((value, line)) = self.required(report, key, "{ log = 2 }") else {
            return Vec::new();
        };
        let DeValue::Table(table) = value else {
            wrong_type(report, line, key, value, "a table as { log = 2 }");
            return Vec::new();
        };
        let mut counts = Vec::new();
        for (id, count) in table.iter() {
            let at = report.line(id.span().start);
            let name: &str = id.get_ref();
            let Some(number) = find(report, name, at, sort, ids) else {
                continue;
            };
            let count = self::number(report, count.get_ref(), at, name, &(1..=999_u16));
            counts.push((number, count));
        }
        let length = table.len();
        if length == 0 || length > most.into() {
            let message = format!("`{key}` has {length} entries; write 1 to {most}");
            report.at_line(line, message);
        }
        counts.sort_unstable();
        counts
    }

    /// A count, or `[least, most]`; 1 where it is left out.
    pub(super) fn amount(&mut self, report: &mut Report<'_>, key: &'static str) -> Amount {
        let one = Amount { least: 1, most: 1 };
        let range = 1..=999_u16;
        match self.optional(report, key) {
            None => one,
            Some((DeValue::Array(ends), line)) => {
                let mut ends = ends.iter().map(Spanned::get_ref);
                let (Some(least), Some(most), None) = (ends.next(), ends.next(), ends.next())
                else {
                    let message = format!("`{key}` is a count or two ends, as [1, 3]");
                    report.at_line(line, message);
                    return one;
                };
                let least = number(report, least, line, key, &range);
                let most = number(report, most, line, key, &range);
                if least > most {
                    let message = format!("`{key}` is empty; write [{most}, {least}]");
                    report.at_line(line, message);
                }
                Amount { least, most }
            }
            Some((value, line)) => {
                let count = number(report, value, line, key, &range);
                Amount {
                    least: count,
                    most: count,
                }
            }
        }
    }

    /// Three whole numbers.
    pub(super) fn three(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        range: &RangeInclusive<u32>,
    ) -> [u32; 3] {
        let mut numbers = [*range.start(); 3];
        let Some((value, line)) = self.required(report, key, &format!("{numbers:?}")) else {
            return numbers;
        };
        match value {
            DeValue::Array(values) if values.len() == 3 => {
                for (to, value) in numbers.iter_mut().zip(values.iter()) {
                    *to = number(report, value.get_ref(), line, key, range);
                }
            }
            other => wrong_type(report, line, key, other, "three numbers, as [48, 20, 8]"),
        }
        numbers
    }

    /// The tables of an array, each with its line; none where the field is left out.
    pub(super) fn tables(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Vec<(&'t DeTable<'i>, u32)> {
        match self.optional(report, key) {
            None => Vec::new(),
            Some((DeValue::Array(values), _)) => {
                let mut tables = Vec::new();
                for value in values.iter() {
                    let line = report.line(value.span().start);
                    match value.get_ref() {
                        DeValue::Table(table) => tables.push((table, line)),
                        other => wrong_type(report, line, key, other, "tables"),
                    }
                }
                tables
            }
            Some((other, line)) => {
                wrong_type(report, line, key, other, "an array of tables");
                Vec::new()
            }
        }
    }

    /// A table.
    pub(super) fn table(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<(&'t DeTable<'i>, u32)> {
        match self.required(report, key, "{ ... }")? {
            (DeValue::Table(table), line) => Some((table, line)),
            (other, line) => {
                wrong_type(report, line, key, other, "a table");
                None
            }
        }
    }
}

fn number<T>(
    report: &mut Report<'_>,
    value: &DeValue<'_>,
    line: u32,
    key: &str,
    range: &RangeInclusive<T>,
) -> T
where
    T: Copy + TryFrom<i64> + Into<i64>,
{
    let (least, most) = ((*range.start()).into(), (*range.end()).into());
    match value {
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            let number = number.ok().filter(|number| (least..=most).contains(number));
            if let Some(number) = number.and_then(|number| T::try_from(number).ok()) {
                return number;
            }
            let message = format!(
                "`{key}` is {}; choose {least} to {most}",
                shown(integer.as_str())
            );
            report.at_line(line, message);
        }
        DeValue::Float(float) => {
            let message = format!(
                "`{key}` is the fraction {}; write a whole number, {least} to {most}",
                shown(float.as_str())
            );
            report.at_line(line, message);
        }
        other => wrong_type(report, line, key, other, "a whole number"),
    }
    *range.start()
}

fn string<'v>(
    report: &mut Report<'_>,
    value: &'v DeValue<'_>,
    line: u32,
    key: &str,
) -> Option<&'v str> {
    let text = value.as_str();
    if text.is_none() {
        wrong_type(report, line, key, value, "a text in quotes");
    }
    text
}

fn choice<T: Copy>(
    report: &mut Report<'_>,
    value: &DeValue<'_>,
    line: u32,
    key: &str,
    choices: &[(&str, T)],
) -> Option<T> {
    let text = string(report, value, line, key)?;
    let found = choices.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let hint = suggestion(text, choices.iter().map(|(word, _)| *word));
        report.at_line(line, format!("`{key}` cannot be `{}`; {hint}", shown(text)));
    }
    found.map(|(_, value)| *value)
}

fn reference(
    report: &mut Report<'_>,
    value: &DeValue<'_>,
    line: u32,
    key: &str,
    sort: &str,
    ids: &Ids,
) -> u16 {
    string(report, value, line, key)
        .and_then(|name| find(report, name, line, sort, ids))
        .unwrap_or(0)
}

fn find(report: &mut Report<'_>, name: &str, line: u32, sort: &str, ids: &Ids) -> Option<u16> {
    let number = ids.find(name);
    if number.is_none() {
        let hint = suggestion(name, ids.names());
        report.at_line(
            line,
            format!("there is no {sort} `{}`; {hint}", shown(name)),
        );
    }
    number
}

fn wrong_type(report: &mut Report<'_>, line: u32, key: &str, value: &DeValue<'_>, wanted: &str) {
    let found = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    report.at_line(line, format!("`{key}` is {found}; write {wanted}"));
}

/// A word of the file as messages may carry it: short, and without control characters.
fn shown(word: &str) -> Cow<'_, str> {
    if word.chars().count() <= 40 && !word.chars().any(char::is_control) {
        return Cow::Borrowed(word);
    }
    let start = word.chars().filter(|letter| !letter.is_control()).take(40);
    Cow::Owned(start.collect::<String>() + "...")
}
