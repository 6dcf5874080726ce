//! What a newcomer can gather and make with bare hands, read from what the server tells clients.

use anyhow::{Context, Result};
use serde_json::Value;

/// An input of the recipe, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// The item's key.
    pub(super) item: String,
    /// How many.
    pub(super) count: u64,
    /// Numbers of the resources that give it to bare hands.
    pub(super) resources: Vec<u64>,
}

/// Something that can be made anywhere from what bare hands gather.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The recipe's key.
    pub(super) recipe: String,
    /// The key of what comes out.
    pub(super) made: String,
    /// What goes in.
    pub(super) inputs: Vec<Need>,
}

impl Plan {
    /// The one that takes least.
    ///
    /// # Errors
    /// When the content has none: nobody could begin to play it.
    pub(super) fn of(content: &Value) -> Result<Self> {
        let recipes = content["recipes"].as_array().context("no recipes")?;
        let plans = recipes
            .iter()
            .filter(|recipe| recipe["station"].is_null() && is_easy(recipe))
            .filter_map(|recipe| Self::of_recipe(content, recipe));
        plans
            .min_by_key(|plan| plan.inputs.iter().map(|need| need.count).sum::<u64>())
            .context("nothing can be made with bare hands")
    }

    fn of_recipe(content: &Value, recipe: &Value) -> Option<Self> {
        let inputs = recipe["inputs"].as_array()?;
        Some(Self {
            recipe: recipe["key"].as_str()?.to_owned(),
            made: item_key(content, &recipe["output"]["item"])?,
            inputs: inputs
                .iter()
                .map(|input| {
                    let resources = resources(content, &input["item"]);
                    (!resources.is_empty()).then_some(Need {
                        item: item_key(content, &input["item"])?,
                        count: input["count"].as_u64()?,
                        resources,
                    })
                })
                .collect::<Option<_>>()?,
        })
    }
}

/// Takes no skill.
fn is_easy(thing: &Value) -> bool {
    thing["min_level"].as_u64().is_none_or(|level| level <= 1)
}

/// Items are numbered from 1.
fn item_key(content: &Value, number: &Value) -> Option<String> {
    let index = usize::try_from(number.as_u64()?.checked_sub(1)?).ok()?;
    content["items"][index]["key"].as_str().map(str::to_owned)
}

/// Those that give an item to bare hands and stand near every hub.
fn resources(content: &Value, item: &Value) -> Vec<u64> {
    let all = content["resources"].as_array().into_iter().flatten();
    all.filter(|resource| &resource["item"] == item && resource["tool"].is_null())
        .filter(|resource| is_easy(resource) && resource["near_hub"].as_u64() > Some(0))
        .filter_map(|resource| resource["id"].as_u64())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_cheapest_that_bare_hands_can_do() -> Result<()> {
        let resource = |id: u64, item: u64, tool: Value, near_hub: u64| json!({ "id": id, "item": item, "tool": tool, "min_level": 1, "near_hub": near_hub });
        let recipe = |key: &str, inputs: Value, output: u64, station: Value, level: u64| {
            json!({ "key": key, "inputs": inputs, "output": { "item": output, "count": 1 },
                    "station": station, "min_level": level })
        };
        let content = json!({
            "items": [{ "key": "twig" }, { "key": "ore" }, { "key": "club" }, { "key": "far" }],
            "resources": [
                resource(0, 1, Value::Null, 3),
                resource(1, 2, json!({ "class": "Mine", "power": 1 }), 3),
                resource(2, 4, Value::Null, 0),
            ],
            "recipes": [
                recipe("heap", json!([{ "item": 1, "count": 9 }]), 3, Value::Null, 1),
                recipe("club", json!([{ "item": 1, "count": 3 }]), 3, Value::Null, 1),
                recipe("at-forge", json!([{ "item": 1, "count": 1 }]), 3, json!(0), 1),
                recipe("mined", json!([{ "item": 2, "count": 1 }]), 3, Value::Null, 1),
                recipe("far-off", json!([{ "item": 4, "count": 1 }]), 3, Value::Null, 1),
                recipe("mastery", json!([{ "item": 1, "count": 1 }]), 3, Value::Null, 5),
            ],
        });
        let plan = Plan::of(&content)?;
        assert_eq!((plan.recipe.as_str(), plan.made.as_str()), ("club", "club"));
        let need = Need {
            item: "twig".to_owned(),
            count: 3,
            resources: vec![0],
        };
        assert_eq!(plan.inputs, [need]);
        Ok(())
    }

    #[test]
    fn content_that_nobody_could_begin_with() {
        assert!(Plan::of(&json!({ "items": [], "resources": [], "recipes": [] })).is_err());
    }
}
