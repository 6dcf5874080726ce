//! The agent of a real game pod refuses every call that is not the leader's, counts it, and goes on;
//! and a rotation of the operator's keys disturbs no player.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use worldkeeper_crds::agent::{AgentClaims, AgentStatus, DRAIN_PATH, WATCH_PATH};
use worldkeeper_crds::server::condition;
use worldkeeper_crds::{GameServer, names};

use crate::harness::agent::{self, ANNOTATION_ROTATE, KEYS_SECRET, Signer, call, counter};
use crate::harness::bots::Choice;
use crate::harness::context::{SOON, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::verdict::{Trial, now};
use crate::harness::{Ctx, operator, runner, wait};
use crate::install::operator::NAMESPACE;

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Restricted).await?;
    let worlds = ctx.ready(&Fleet::new("game").replicas(2), 2).await?;
    let bots = ctx.bots("players", Choice::Spread)?;
    bots.players(6).await?;
    bots.until_connected(6).await?;
    let trial = Trial::begin(worlds.iter().map(fleet::world_of));
    let target = Target::find(&ctx, &worlds).await?;

    let refused = refuses(&ctx, &target).await?;
    ctx.say(format!("{refused} kinds of calls were refused and counted"));
    rotates(&ctx, &target).await?;
    ctx.say("the keys were rotated");

    let to = now();
    for world in &worlds {
        let seen = ctx.worlds().get(&world.name_any()).await?;
        ensure!(
            fleet::epoch_of(&seen) == 1,
            "{} is at another epoch",
            world.name_any()
        );
        ensure!(
            fleet::players_of(&seen) == Some(3),
            "{} lost count: {}",
            world.name_any(),
            fleet::describe(&seen)
        );
    }
    bots.leave().await?;
    let record = bots.stop().await?;
    trial.verdict(&ctx, to, &[&record])
}

/// The agent under attack, and what a right token for it is made of.
struct Target {
    address: SocketAddr,
    pod: Pod,
    other_pod: Pod,
    world: String,
    other_world: String,
    term: i64,
    signer: Signer,
}

impl Target {
    async fn find(ctx: &Ctx, worlds: &[GameServer]) -> Result<Self> {
        let pod = ctx
            .pods()
            .get(&names::pod(&worlds[0].name_any(), 1))
            .await?;
        let other_pod = ctx
            .pods()
            .get(&names::pod(&worlds[1].name_any(), 1))
            .await?;
        let leader = operator::leader(&ctx.client(), None).await?;
        Ok(Self {
            address: agent::address(&pod)?,
            pod,
            other_pod,
            world: fleet::world_of(&worlds[0]),
            other_world: fleet::world_of(&worlds[1]),
            term: leader.term.into(),
            signer: Signer::of_operator(&ctx.client()).await?,
        })
    }

    fn claims(&self) -> Result<AgentClaims> {
        agent::claims(&self.pod, &self.world, 1, self.term)
    }

    fn token(&self, change: impl FnOnce(&mut AgentClaims)) -> Result<String> {
        let mut claims = self.claims()?;
        change(&mut claims);
        self.signer.sign(&claims)
    }

    async fn metrics(&self) -> Result<String> {
        let answer = call(self.address, Method::GET, "/metrics", None).await?;
        ensure!(answer.status == 200, "/metrics answers {}", answer.status);
        Ok(answer.body)
    }
}

/// A token (or none), the answer that it must get, and the reason in it.
type Attack = (&'static str, Option<String>, u16, &'static str);

async fn attacks(ctx: &Ctx, target: &Target) -> Result<Vec<Attack>> {
    let good = target.token(|_| {})?;
    let forged = Signer::forged(&target.signer.kid);
    let unknown = Signer::forged("no-such-key");
    let mut parts = good.split('.');
    let (_, claims, signature) = (
        parts.next().context("no header")?,
        parts.next().context("no claims")?,
        parts.next().context("no signature")?,
    );
    let unsigned = URL_SAFE_NO_PAD
        .encode(json!({"alg": "none", "typ": "JWT", "kid": target.signer.kid}).to_string());
    let by_secret = URL_SAFE_NO_PAD
        .encode(json!({"alg": "HS256", "typ": "JWT", "kid": target.signer.kid}).to_string());
    let other_uid = target.other_pod.metadata.uid.clone().context("no uid")?;
    Ok(vec![
        ("no token", None, 401, "TokenMissing"),
        ("rubbish", Some("rubbish".into()), 401, "TokenInvalid"),
        ("a long token", Some("x".repeat(6_000)), 401, "TokenInvalid"),
        (
            "signed by another key under the right name",
            Some(forged.sign(&target.claims()?)?),
            401,
            "TokenInvalid",
        ),
        (
            "signed by a key that nobody knows",
            Some(unknown.sign(&target.claims()?)?),
            401,
            "TokenInvalid",
        ),
        (
            "not signed at all",
            Some(format!("{unsigned}.{claims}.")),
            401,
            "TokenInvalid",
        ),
        (
            "signed with a shared secret",
            Some(format!("{by_secret}.{claims}.{signature}")),
            401,
            "TokenInvalid",
        ),
        (
            "a service account's token",
            Some(service_account_token(ctx).await?),
            401,
            "TokenInvalid",
        ),
        (
            "expired",
            Some(target.token(|claims| {
                claims.iat -= 300;
                claims.exp -= 300;
            })?),
            401,
            "TokenExpired",
        ),
        (
            "valid for too long",
            Some(target.token(|claims| claims.exp += 3_600)?),
            401,
            "TokenInvalid",
        ),
        (
            "issued in the future",
            Some(target.token(|claims| {
                claims.iat += 600;
                claims.exp += 600;
            })?),
            401,
            "TokenInvalid",
        ),
        (
            "by another issuer",
            Some(target.token(|claims| claims.iss = "someone".into())?),
            401,
            "TokenInvalid",
        ),
        (
            "for another pod",
            Some(target.token(|claims| claims.aud = other_uid)?),
            401,
            "WrongAudience",
        ),
        (
            "for another world",
            Some(target.token(|claims| claims.world.clone_from(&target.other_world))?),
            401,
            "WrongWorld",
        ),
        (
            "for another epoch",
            Some(target.token(|claims| claims.epoch = 2)?),
            401,
            "WrongWorld",
        ),
        (
            "of an earlier leader",
            Some(target.token(|claims| claims.term -= 1)?),
            409,
            "StaleTerm",
        ),
    ])
}

/// A token that the API server itself has signed.
async fn service_account_token(ctx: &Ctx) -> Result<String> {
    let accounts: Api<ServiceAccount> = ctx.api();
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![],
            expiration_seconds: Some(600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    wait::until_one(
        &accounts,
        "default",
        "the default service account",
        SOON,
        |seen: Option<&ServiceAccount>| seen.map(drop).ok_or_else(|| "none".to_owned()),
    )
    .await?;
    let made = accounts
        .create_token_request("default", &PostParams::default(), &request)
        .await?;
    Ok(made.status.context("no token was made")?.token)
}

/// How many kinds of calls were refused, each with its reason and a count of it.
async fn refuses(ctx: &Ctx, target: &Target) -> Result<usize> {
    let attacks = attacks(ctx, target).await?;
    let mut wrong = Vec::new();
    for (method, path) in [
        (Method::GET, WATCH_PATH),
        (Method::POST, DRAIN_PATH),
        (Method::DELETE, DRAIN_PATH),
    ] {
        for (what, token, status, reason) in &attacks {
            let before = refusals(target, reason).await?;
            let answer = call(target.address, method.clone(), path, token.as_deref()).await;
            let verdict = judge_answer(answer, *status, reason);
            let after = refusals(target, reason).await?;
            if let Err(error) = verdict {
                wrong.push(format!("{method} {path} {what}: {error:#}"));
            } else if after <= before {
                wrong.push(format!(
                    "{method} {path} {what}: refused as {reason}, but not counted"
                ));
            }
        }
    }
    if !wrong.is_empty() {
        bail!(
            "{} calls were answered wrongly:\n  {}",
            wrong.len(),
            wrong.join("\n  ")
        );
    }
    right_calls_work(target).await?;
    replay_is_refused(target).await?;
    public_paths_need_no_token(target).await?;
    Ok(attacks.len() + 1)
}

fn judge_answer(answer: Result<agent::Answer>, status: u16, reason: &str) -> Result<()> {
    let answer = answer?;
    ensure!(
        answer.status == status,
        "{} instead of {status}: {}",
        answer.status,
        answer.body
    );
    let said = answer.reason()?;
    ensure!(said == reason, "{said} instead of {reason}");
    Ok(())
}

async fn refusals(target: &Target, reason: &str) -> Result<f64> {
    let label = format!("reason=\"{reason}\"");
    Ok(counter(
        &target.metrics().await?,
        "world_agent_refusals_total",
        &label,
    ))
}

/// The same tokens without a flaw are taken: it was the flaw that was refused.
async fn right_calls_work(target: &Target) -> Result<()> {
    let token = target.token(|_| {})?;
    let answer = call(target.address, Method::GET, WATCH_PATH, Some(&token)).await?;
    ensure!(
        answer.status == 200,
        "the watch stream answers {}: {}",
        answer.status,
        answer.body
    );
    let line = answer.body.lines().next().context("the stream is empty")?;
    let status: AgentStatus = serde_json::from_str(line).context("the stream is not understood")?;
    ensure!(
        status.world == target.world && status.epoch == 1 && status.players == 3,
        "{status:?}"
    );
    Ok(())
}

/// A token that changes something is taken once. Joins are open, and opening them changes nothing.
async fn replay_is_refused(target: &Target) -> Result<()> {
    let token = target.token(|_| {})?;
    let first = call(target.address, Method::DELETE, DRAIN_PATH, Some(&token)).await?;
    ensure!(
        first.status == 200,
        "the first call answers {}: {}",
        first.status,
        first.body
    );
    let before = refusals(target, "TokenReplayed").await?;
    for method in [Method::DELETE, Method::POST] {
        let answer = call(target.address, method, DRAIN_PATH, Some(&token)).await;
        judge_answer(answer, 401, "TokenReplayed").context("a replayed token")?;
    }
    ensure!(
        refusals(target, "TokenReplayed").await? > before,
        "the replay is not counted"
    );
    Ok(())
}

async fn public_paths_need_no_token(target: &Target) -> Result<()> {
    for path in ["/health", "/health/live", "/health/ready", "/metrics"] {
        let answer = call(target.address, Method::GET, path, None).await?;
        ensure!(answer.status == 200, "{path} answers {}", answer.status);
    }
    Ok(())
}

/// A person rotates; the next key signs once pods have had time to read it, and the old one is
/// forgotten after as long again. All the while the players are counted.
async fn rotates(ctx: &Ctx, target: &Target) -> Result<()> {
    let old = target.signer.kid.clone();
    let secrets: Api<Secret> = Api::namespaced(ctx.client(), NAMESPACE);
    let nonce = uuid::Uuid::new_v4().to_string();
    let rotate = Patch::Merge(json!({"metadata": {"annotations": {ANNOTATION_ROTATE: nonce}}}));
    secrets
        .patch(KEYS_SECRET, &PatchParams::default(), &rotate)
        .await?;

    let overlap = Duration::from_secs(runner::KEY_OVERLAP_SECONDS);
    let known = ctx.worlds_throughout(
        "game",
        "players known while keys rotate",
        overlap * 4,
        |worlds| {
            worlds.len() == 2
                && worlds.iter().all(|world| {
                    fleet::is_true(fleet::condition(world, condition::PLAYERS_KNOWN))
                        && fleet::players_of(world) == Some(3)
                })
        },
    );
    let rotation = async {
        wait::until_one(
            &secrets,
            KEYS_SECRET,
            "another key to sign",
            overlap * 2 + SOON,
            |seen: Option<&Secret>| match seen.and_then(signing) {
                Some(kid) if kid != old => Ok(()),
                other => Err(format!("{other:?} signs")),
            },
        )
        .await?;
        let published: Api<ConfigMap> = ctx.api();
        wait::until_one(
            &published,
            names::JWKS_CONFIG_MAP,
            "the old key to be forgotten",
            overlap * 3 + SOON,
            |seen: Option<&ConfigMap>| {
                let text = seen
                    .and_then(|seen| seen.data.as_ref()?.get("jwks.json"))
                    .map_or("", String::as_str);
                if !text.is_empty() && !text.contains(&old) {
                    Ok(())
                } else {
                    Err(text.to_owned())
                }
            },
        )
        .await
    };
    tokio::try_join!(known, rotation)?;
    old_key_is_dead(target).await
}

fn signing(secret: &Secret) -> Option<String> {
    let text = secret.data.as_ref()?.get("keyring.json")?;
    let ring: serde_json::Value = serde_json::from_slice(&text.0).ok()?;
    let keys = ring["keys"].as_array()?;
    let signs =
        |key: &&serde_json::Value| !key["signingSince"].is_null() && key["retiredSince"].is_null();
    keys.iter().find(signs)?["kid"].as_str().map(str::to_owned)
}

/// Once the pod has read the new keys, a token of the forgotten one is refused.
async fn old_key_is_dead(target: &Target) -> Result<()> {
    let deadline = tokio::time::Instant::now() + SOON * 2;
    let mut attempts = tokio::time::interval(Duration::from_secs(1));
    loop {
        attempts.tick().await;
        let token = target.token(|_| {})?;
        let answer = call(target.address, Method::GET, WATCH_PATH, Some(&token)).await?;
        if answer.status == 401 {
            let reason = answer.reason()?;
            ensure!(
                reason == "TokenInvalid",
                "a token of the forgotten key is refused as {reason}"
            );
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            bail!("a token of the forgotten key still gets {}", answer.status);
        }
    }
}
