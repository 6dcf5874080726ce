//! The judge of "nobody was thrown out": the players' own record against the API server's audit
//! log, and never what the operator says of itself.
//!
//! [`judge`] is a pure function. What it must catch stands in its tests as a table, together with
//! wrong judges that the table must not let pass.

use std::fmt;

/// Unix time in milliseconds. Players and API server run on one machine, by one clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ms(pub(crate) i64);

/// How a stay in a world ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It has not: the player is inside.
    Inside,
    /// The player was told to leave, and left.
    Left,
    /// The server or the network ended it, for the reason given.
    ThrownOut(String),
}

/// One player's connection to one incarnation of a world, from the Welcome to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stay {
    pub(crate) bot: String,
    /// `namespace/gameserver`.
    pub(crate) world: String,
    pub(crate) epoch: i64,
    pub(crate) from: Ms,
    /// For a stay that has not ended, when it was last looked at.
    pub(crate) to: Ms,
    pub(crate) end: End,
    /// Longest time between two updates from the world.
    pub(crate) longest_gap_ms: i64,
}

/// The request by which somebody wanted a pod to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum How {
    Delete,
    DeleteCollection,
    Evict,
}

/// A request to end a pod, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodDelete {
    pub(crate) at: Ms,
    pub(crate) user: String,
    pub(crate) namespace: String,
    /// No name for a whole collection.
    pub(crate) pod: Option<String>,
    pub(crate) how: How,
    pub(crate) code: u16,
}

/// An incarnation that the scenario itself ends. Its players may be thrown out from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sacrifice {
    pub(crate) world: String,
    pub(crate) epoch: i64,
    pub(crate) from: Ms,
}

/// What is asked of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Worlds that must have had somebody inside from `from` to `to`: an empty record proves nothing.
    pub(crate) occupied: Vec<String>,
    pub(crate) from: Ms,
    pub(crate) to: Ms,
    pub(crate) max_gap_ms: i64,
    pub(crate) sacrifices: Vec<Sacrifice>,
}

/// What must not have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    ThrownOut {
        bot: String,
        world: String,
        epoch: i64,
        at: Ms,
        reason: String,
    },
    Silence {
        bot: String,
        world: String,
        epoch: i64,
        ms: i64,
    },
    PodEndedUnderPlayer {
        bot: String,
        world: String,
        epoch: i64,
        at: Ms,
        user: String,
        how: How,
    },
    NobodyInside {
        world: String,
        at: Ms,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThrownOut {
                bot,
                world,
                epoch,
                at,
                reason,
            } => {
                write!(
                    f,
                    "{bot} was thrown out of {world} epoch {epoch} at {}: {reason}",
                    at.0
                )
            }
            Self::Silence {
                bot,
                world,
                epoch,
                ms,
            } => {
                write!(
                    f,
                    "{bot} heard nothing from {world} epoch {epoch} for {ms} ms"
                )
            }
            Self::PodEndedUnderPlayer {
                bot,
                world,
                epoch,
                at,
                user,
                how,
            } => write!(
                f,
                "{user} ended the pod of {world} epoch {epoch} ({how:?}) at {} with {bot} inside",
                at.0
            ),
            Self::NobodyInside { world, at } => {
                write!(
                    f,
                    "nobody was inside {world} at {}: the run proves nothing",
                    at.0
                )
            }
        }
    }
}

/// The incarnation of a pod's name, `{gameserver}-{epoch}`.
fn incarnation(namespace: &str, pod: &str) -> Option<(String, i64)> {
    let (server, epoch) = pod.rsplit_once('-')?;
    Some((format!("{namespace}/{server}"), epoch.parse().ok()?))
}

fn excused(terms: &Terms, world: &str, epoch: i64, at: Ms) -> bool {
    terms
        .sacrifices
        .iter()
        .any(|given| given.world == world && given.epoch == epoch && given.from <= at)
}

fn hits(delete: &PodDelete, stay: &Stay) -> bool {
    match (&delete.how, &delete.pod) {
        // Which of the pods a collection's selector took is not in the log. Nobody has any business
        // to delete pods by the collection where players are.
        (How::DeleteCollection, _) => stay
            .world
            .split_once('/')
            .is_some_and(|(namespace, _)| namespace == delete.namespace),
        (How::Delete | How::Evict, Some(pod)) => incarnation(&delete.namespace, pod)
            .is_some_and(|(world, epoch)| world == stay.world && epoch == stay.epoch),
        (How::Delete | How::Evict, None) => false,
    }
}

/// First moment in `from..=to` at which no stay in the world was under way.
fn first_hole(stays: &[Stay], world: &str, from: Ms, to: Ms) -> Option<Ms> {
    let mut inside: Vec<&Stay> = stays.iter().filter(|stay| stay.world == world).collect();
    inside.sort_by_key(|stay| stay.from);
    let mut covered = None;
    for stay in inside {
        let reached = covered.unwrap_or(from);
        if stay.from > reached {
            break;
        }
        covered = Some(reached.max(stay.to));
    }
    match covered {
        None => Some(from),
        Some(reached) if reached < to => Some(reached),
        Some(_) => None,
    }
}

/// Everything in the record that must not be there.
pub(crate) fn judge(stays: &[Stay], deletes: &[PodDelete], terms: &Terms) -> Vec<Violation> {
    let mut violations = Vec::new();
    for stay in stays {
        let sacrificed = excused(terms, &stay.world, stay.epoch, stay.to);
        if let End::ThrownOut(reason) = &stay.end
            && !sacrificed
        {
            violations.push(Violation::ThrownOut {
                bot: stay.bot.clone(),
                world: stay.world.clone(),
                epoch: stay.epoch,
                at: stay.to,
                reason: reason.clone(),
            });
        }
        if stay.longest_gap_ms > terms.max_gap_ms && !sacrificed {
            violations.push(Violation::Silence {
                bot: stay.bot.clone(),
                world: stay.world.clone(),
                epoch: stay.epoch,
                ms: stay.longest_gap_ms,
            });
        }
        for delete in deletes {
            let taken = (200..300).contains(&delete.code);
            let inside = stay.from <= delete.at && (delete.at < stay.to || stay.end == End::Inside);
            if taken
                && inside
                && hits(delete, stay)
                && !excused(terms, &stay.world, stay.epoch, delete.at)
            {
                violations.push(Violation::PodEndedUnderPlayer {
                    bot: stay.bot.clone(),
                    world: stay.world.clone(),
                    epoch: stay.epoch,
                    at: delete.at,
                    user: delete.user.clone(),
                    how: delete.how,
                });
            }
        }
    }
    for world in &terms.occupied {
        if let Some(at) = first_hole(stays, world, terms.from, terms.to) {
            violations.push(Violation::NobodyInside {
                world: world.clone(),
                at,
            });
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    type Judge = fn(&[Stay], &[PodDelete], &Terms) -> Vec<Violation>;

    fn stay(from: i64, to: i64, end: End) -> Stay {
        Stay {
            bot: "bot-1".into(),
            world: "n/f-1".into(),
            epoch: 2,
            from: Ms(from),
            to: Ms(to),
            end,
            longest_gap_ms: 60,
        }
    }

    fn delete(at: i64, pod: &str, how: How, code: u16) -> PodDelete {
        PodDelete {
            at: Ms(at),
            user: "someone".into(),
            namespace: "n".into(),
            pod: (how != How::DeleteCollection).then(|| pod.to_owned()),
            how,
            code,
        }
    }

    fn terms() -> Terms {
        Terms {
            occupied: vec!["n/f-1".into()],
            from: Ms(100),
            to: Ms(200),
            max_gap_ms: 1_000,
            sacrifices: Vec::new(),
        }
    }

    struct Row {
        name: &'static str,
        stays: Vec<Stay>,
        deletes: Vec<PodDelete>,
        terms: Terms,
        violations: usize,
    }

    fn row(
        name: &'static str,
        stays: Vec<Stay>,
        deletes: Vec<PodDelete>,
        violations: usize,
    ) -> Row {
        Row {
            name,
            stays,
            deletes,
            terms: terms(),
            violations,
        }
    }

    fn table() -> Vec<Row> {
        let thrown = || End::ThrownOut("Closing".into());
        let mut silent = stay(50, 300, End::Left);
        silent.longest_gap_ms = 1_001;
        let mut edge = stay(50, 300, End::Left);
        edge.longest_gap_ms = 1_000;
        let mut neighbour = stay(50, 300, End::Left);
        neighbour.world = "n/f-1-1".into();
        let mut later = stay(150, 300, End::Left);
        later.bot = "bot-2".into();
        let mut next_epoch = stay(160, 300, End::Inside);
        next_epoch.epoch = 3;
        let sacrificed = |from| Terms {
            sacrifices: vec![Sacrifice {
                world: "n/f-1".into(),
                epoch: 2,
                from: Ms(from),
            }],
            ..terms()
        };
        let early = Terms {
            to: Ms(150),
            ..sacrificed(140)
        };
        vec![
            row("a quiet stay", vec![stay(50, 300, End::Left)], vec![], 0),
            row("still inside", vec![stay(50, 300, End::Inside)], vec![], 0),
            row("thrown out", vec![stay(50, 300, thrown())], vec![], 1),
            row("silence", vec![silent], vec![], 1),
            row("the longest silence allowed", vec![edge], vec![], 0),
            row(
                "deleted under a player",
                vec![stay(50, 300, End::Left)],
                vec![delete(250, "f-1-2", How::Delete, 200)],
                1,
            ),
            row(
                "a graceful delete answers 202 too",
                vec![stay(50, 300, End::Left)],
                vec![delete(250, "f-1-2", How::Delete, 202)],
                1,
            ),
            row(
                "evicted under a player",
                vec![stay(50, 300, End::Left)],
                vec![delete(250, "f-1-2", How::Evict, 201)],
                1,
            ),
            row(
                "deleted with the collection",
                vec![stay(50, 300, End::Left)],
                vec![delete(250, "", How::DeleteCollection, 200)],
                1,
            ),
            row(
                "refused by policy",
                vec![stay(50, 300, End::Left)],
                vec![delete(250, "f-1-2", How::Delete, 403)],
                0,
            ),
            row(
                "refused by the budget",
                vec![stay(50, 300, End::Left)],
                vec![delete(250, "f-1-2", How::Evict, 429)],
                0,
            ),
            row(
                "collection refused",
                vec![stay(50, 300, End::Left)],
                vec![delete(250, "", How::DeleteCollection, 403)],
                0,
            ),
            row(
                "deleted after the player left",
                vec![stay(50, 300, End::Left)],
                vec![delete(300, "f-1-2", How::Delete, 200)],
                0,
            ),
            row(
                "deleted before the player came",
                vec![stay(90, 300, End::Left)],
                vec![delete(89, "f-1-2", How::Delete, 200)],
                0,
            ),
            row(
                "deleted as the player came",
                vec![stay(90, 300, End::Left)],
                vec![delete(90, "f-1-2", How::Delete, 200)],
                1,
            ),
            row(
                "deleted with a player still inside",
                vec![stay(50, 300, End::Inside)],
                vec![delete(400, "f-1-2", How::Delete, 200)],
                1,
            ),
            row(
                "another epoch's pod",
                vec![stay(50, 300, End::Left)],
                vec![delete(250, "f-1-1", How::Delete, 200)],
                0,
            ),
            row(
                "another world's pod",
                vec![stay(50, 300, End::Left)],
                vec![delete(250, "f-10-2", How::Delete, 200)],
                0,
            ),
            row(
                "a neighbour of a similar name",
                vec![stay(50, 300, End::Left), neighbour],
                vec![delete(250, "f-1-1-2", How::Delete, 200)],
                1,
            ),
            row(
                "thrown out and deleted are two things",
                vec![stay(50, 300, thrown())],
                vec![delete(250, "f-1-2", How::Delete, 200)],
                2,
            ),
            row("no record at all", vec![], vec![], 1),
            row("came too late", vec![stay(101, 300, End::Left)], vec![], 1),
            row("left too early", vec![stay(50, 199, End::Left)], vec![], 1),
            row(
                "one relieves the other",
                vec![stay(50, 160, End::Left), later.clone()],
                vec![],
                0,
            ),
            row(
                "a hole between two",
                vec![stay(50, 140, End::Left), later],
                vec![],
                1,
            ),
            Row {
                name: "a sacrificed incarnation",
                stays: vec![stay(50, 150, thrown())],
                deletes: vec![delete(145, "f-1-2", How::Delete, 200)],
                terms: early,
                violations: 0,
            },
            Row {
                name: "thrown out before the sacrifice",
                stays: vec![stay(50, 150, thrown())],
                deletes: vec![],
                terms: Terms {
                    to: Ms(150),
                    ..sacrificed(151)
                },
                violations: 1,
            },
            Row {
                name: "the next epoch is not sacrificed",
                stays: vec![stay(50, 160, thrown()), next_epoch],
                deletes: vec![delete(250, "f-1-3", How::Delete, 200)],
                terms: sacrificed(150),
                violations: 1,
            },
        ]
    }

    fn mistakes(judge: Judge) -> Vec<String> {
        table()
            .into_iter()
            .filter_map(|row| {
                let found = judge(&row.stays, &row.deletes, &row.terms);
                (found.len() != row.violations)
                    .then(|| format!("{}: {found:?} instead of {}", row.name, row.violations))
            })
            .collect()
    }

    #[test]
    fn the_judge_is_right_on_every_row() {
        assert_eq!(mistakes(judge), Vec::<String>::new());
    }

    #[test]
    fn every_wrong_judge_is_caught() {
        fn without_evictions(
            stays: &[Stay],
            deletes: &[PodDelete],
            terms: &Terms,
        ) -> Vec<Violation> {
            let kept: Vec<_> = deletes
                .iter()
                .filter(|delete| delete.how != How::Evict)
                .cloned()
                .collect();
            judge(stays, &kept, terms)
        }
        fn without_collections(
            stays: &[Stay],
            deletes: &[PodDelete],
            terms: &Terms,
        ) -> Vec<Violation> {
            let kept: Vec<_> = deletes
                .iter()
                .filter(|delete| delete.how != How::DeleteCollection)
                .cloned()
                .collect();
            judge(stays, &kept, terms)
        }
        fn refusals_count(stays: &[Stay], deletes: &[PodDelete], terms: &Terms) -> Vec<Violation> {
            let taken: Vec<_> = deletes
                .iter()
                .cloned()
                .map(|delete| PodDelete {
                    code: 200,
                    ..delete
                })
                .collect();
            judge(stays, &taken, terms)
        }
        fn only_200_is_success(
            stays: &[Stay],
            deletes: &[PodDelete],
            terms: &Terms,
        ) -> Vec<Violation> {
            let kept: Vec<_> = deletes
                .iter()
                .filter(|delete| delete.code == 200)
                .cloned()
                .collect();
            judge(stays, &kept, terms)
        }
        fn a_kick_is_a_leave(
            stays: &[Stay],
            deletes: &[PodDelete],
            terms: &Terms,
        ) -> Vec<Violation> {
            let kind: Vec<_> = stays
                .iter()
                .cloned()
                .map(|stay| Stay {
                    end: End::Left,
                    ..stay
                })
                .collect();
            judge(&kind, deletes, terms)
        }
        fn gaps_do_not_matter(
            stays: &[Stay],
            deletes: &[PodDelete],
            terms: &Terms,
        ) -> Vec<Violation> {
            judge(
                stays,
                deletes,
                &Terms {
                    max_gap_ms: i64::MAX,
                    ..terms.clone()
                },
            )
        }
        fn an_empty_record_is_fine(
            stays: &[Stay],
            deletes: &[PodDelete],
            terms: &Terms,
        ) -> Vec<Violation> {
            judge(
                stays,
                deletes,
                &Terms {
                    occupied: Vec::new(),
                    ..terms.clone()
                },
            )
        }
        fn any_presence_is_enough(
            stays: &[Stay],
            deletes: &[PodDelete],
            terms: &Terms,
        ) -> Vec<Violation> {
            judge(
                stays,
                deletes,
                &Terms {
                    to: terms.from,
                    ..terms.clone()
                },
            )
        }
        fn open_stays_are_over(
            stays: &[Stay],
            deletes: &[PodDelete],
            terms: &Terms,
        ) -> Vec<Violation> {
            let closed: Vec<_> = stays
                .iter()
                .cloned()
                .map(|stay| Stay {
                    end: if stay.end == End::Inside {
                        End::Left
                    } else {
                        stay.end.clone()
                    },
                    ..stay
                })
                .collect();
            judge(&closed, deletes, terms)
        }
        fn epochs_do_not_matter(
            stays: &[Stay],
            deletes: &[PodDelete],
            terms: &Terms,
        ) -> Vec<Violation> {
            let one: Vec<_> = stays
                .iter()
                .cloned()
                .map(|stay| Stay { epoch: 1, ..stay })
                .collect();
            let pods: Vec<_> = deletes
                .iter()
                .cloned()
                .map(|delete| PodDelete {
                    pod: delete
                        .pod
                        .as_deref()
                        .and_then(|pod| pod.rsplit_once('-'))
                        .map(|(world, _)| format!("{world}-1")),
                    ..delete
                })
                .collect();
            judge(&one, &pods, terms)
        }
        fn a_sacrifice_excuses_all(
            stays: &[Stay],
            deletes: &[PodDelete],
            terms: &Terms,
        ) -> Vec<Violation> {
            if terms.sacrifices.is_empty() {
                judge(stays, deletes, terms)
            } else {
                Vec::new()
            }
        }
        let wrong: [(&str, Judge); 11] = [
            ("without evictions", without_evictions),
            ("without collections", without_collections),
            ("refusals count", refusals_count),
            ("only 200 is success", only_200_is_success),
            ("a kick is a leave", a_kick_is_a_leave),
            ("gaps do not matter", gaps_do_not_matter),
            ("an empty record is fine", an_empty_record_is_fine),
            ("any presence is enough", any_presence_is_enough),
            ("open stays are over", open_stays_are_over),
            ("epochs do not matter", epochs_do_not_matter),
            ("a sacrifice excuses all", a_sacrifice_excuses_all),
        ];
        for (name, judge) in wrong {
            assert!(
                !mistakes(judge).is_empty(),
                "the table lets this judge pass: {name}"
            );
        }
    }

    #[test]
    fn violations_name_who_what_and_when() {
        let found = judge(
            &[stay(50, 300, End::ThrownOut("Closing".into()))],
            &[delete(250, "f-1-2", How::Evict, 201)],
            &terms(),
        );
        let text: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(
            text[0].contains("bot-1")
                && text[0].contains("n/f-1 epoch 2")
                && text[0].contains("Closing")
        );
        assert!(text[1].contains("someone") && text[1].contains("250"));
    }
}
