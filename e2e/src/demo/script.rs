//! How many players there are at which moment, and what there is to see.

/// A part of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scene {
    /// Where it begins, in thousandths of the whole.
    begins: u32,
    /// Players, in percent of the seats that the fleet can grow to.
    percent: u32,
    /// What there is to see.
    pub(crate) caption: &'static str,
    /// Somebody tries to delete the pod of a world with players inside.
    pub(crate) assault: bool,
}

const SCENES: [Scene; 6] = [
    scene(
        0,
        0,
        "The fleet stands at its minimum, and nobody plays yet.",
    ),
    scene(50, 25, "The first players come."),
    scene(
        180,
        60,
        "More come: the fleet grows before its seats run out.",
    ),
    Scene {
        assault: true,
        ..scene(
            400,
            75,
            "The busiest time. Somebody deletes a pod with players inside.",
        )
    },
    scene(
        560,
        15,
        "Most leave: worlds are marked to go. Those inside play on, nobody new comes in.",
    ),
    scene(
        800,
        0,
        "The last ones leave: the marked worlds end, and the fleet is back at its minimum.",
    ),
];

const fn scene(begins: u32, percent: u32, caption: &'static str) -> Scene {
    Scene {
        begins,
        percent,
        caption,
        assault: false,
    }
}

impl Scene {
    /// The scene at this share of the demo, from 0 to 1.
    pub(crate) fn at(share: f64) -> Self {
        SCENES
            .into_iter()
            .rev()
            .find(|scene| f64::from(scene.begins) <= share * 1000.0)
            .unwrap_or(SCENES[0])
    }

    /// Players in this scene, where the fleet can have so many seats in all.
    pub(crate) fn players(&self, seats: u32) -> u32 {
        seats * self.percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_follow_each_other_from_the_first_to_the_last() {
        assert_eq!(Scene::at(0.0), SCENES[0]);
        assert_eq!(Scene::at(0.0499), SCENES[0]);
        assert_eq!(Scene::at(0.05), SCENES[1]);
        assert_eq!(Scene::at(0.5), SCENES[3]);
        assert_eq!(Scene::at(1.5), SCENES[5]);
        assert!(SCENES.windows(2).all(|two| two[0].begins < two[1].begins));
        assert_eq!(SCENES.iter().filter(|scene| scene.assault).count(), 1);
    }

    #[test]
    fn players_come_and_go() {
        let players: Vec<u32> = SCENES.iter().map(|scene| scene.players(120)).collect();
        assert_eq!(players, [0, 30, 72, 90, 18, 0]);
    }
}
