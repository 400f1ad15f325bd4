//! Odoos: whether each answers, takes what is signed or the key, and has the journals that stand for accounts.

use super::{Finding, PAGE, told};
use crate::app::{App, AppError, odoo_setup};
use crate::domain::ids::MerchantId;
use crate::sink::{SinkError, Via};
use crate::store;
use crate::store::odoo_instances::ShownInstance;

pub(super) async fn look(app: &App, merchant: MerchantId) -> Vec<Finding> {
    let instances = match list(app, merchant).await {
        Ok(instances) => instances,
        Err(error) => return vec![super::unread("odoo.instances", &error).of(merchant)],
    };
    if instances.is_empty() {
        let remedy = "connect the addon, or run `quittance odoo-instance add`";
        return vec![
            Finding::warning("odoo.instances", "no Odoo is told of its payments", remedy).of(merchant),
        ];
    }
    let mut findings = Vec::new();
    for instance in instances {
        let found = of_instance(app, merchant, &instance).await;
        findings.extend(found.into_iter().map(|finding| finding.of(instance.id)));
    }
    findings
}

async fn list(app: &App, merchant: MerchantId) -> Result<Vec<ShownInstance>, AppError> {
    let mut conn = app.db.read(merchant).await?;
    let mut instances: Vec<ShownInstance> = Vec::new();
    loop {
        let after = instances.last().map(|instance| instance.id);
        let page = store::odoo_instances::list_page(&mut conn, merchant, after, PAGE).await?;
        if page.is_empty() {
            return Ok(instances);
        }
        instances.extend(page);
    }
}

async fn of_instance(app: &App, merchant: MerchantId, instance: &ShownInstance) -> Vec<Finding> {
    if instance.disabled_at.is_some() {
        let said = format!("{} is disabled: nothing is sent", instance.url);
        let remedy = "run `quittance odoo-instance enable`, if it is there again";
        return vec![Finding::warning("odoo.enabled", said, remedy)];
    }
    let mut findings = match instance.sink {
        Via::Rpc => journals(app, merchant, instance).await,
        Via::Addon => vec![addon(app, merchant, instance).await],
    };
    findings.extend(rest(app, instance));
    findings.push(messages(app, merchant, instance).await);
    findings
}

async fn journals(app: &App, merchant: MerchantId, instance: &ShownInstance) -> Vec<Finding> {
    let checked = match odoo_setup::look_over(app, merchant, instance.id).await {
        Ok(checked) => checked,
        Err(error) => return vec![failed("odoo.reachable", instance, &error)],
    };
    let mut findings = vec![Finding::ok(
        "odoo.reachable",
        format!("{} takes the key", instance.url),
    )];
    if checked.is_empty() {
        let remedy = "run `quittance odoo setup`";
        findings.push(Finding::warning(
            "odoo.journals",
            "no journal stands for an account",
            remedy,
        ));
    }
    for seen in checked {
        let journal = format!("journal {} for {}", seen.journal_id, seen.currency);
        if seen.findings.is_empty() {
            findings.push(Finding::ok(
                "odoo.journals",
                format!("{journal} is as bookings need it"),
            ));
        }
        for found in seen.findings {
            let remedy = "put it right in Odoo, or run `quittance odoo setup`";
            findings.push(Finding::error(
                "odoo.journals",
                format!("{journal}: {found}"),
                remedy,
            ));
        }
    }
    findings
}

async fn addon(app: &App, merchant: MerchantId, instance: &ShownInstance) -> Finding {
    let pinged = async {
        let opened = {
            let mut conn = app.db.read(merchant).await?;
            store::odoo_instances::get(&mut conn, &app.sealer, merchant, instance.id).await?
        };
        app.sink.ping(&opened, app.clock.now()).await?;
        Ok::<_, AppError>(())
    };
    match pinged.await {
        Ok(()) => Finding::ok("odoo.addon", format!("{} takes what is signed", instance.url)),
        Err(error) => failed("odoo.addon", instance, &error),
    }
}

fn failed(check: &'static str, instance: &ShownInstance, error: &AppError) -> Finding {
    let remedy = if matches!(error, AppError::Sink(SinkError::Unauthorized { .. })) {
        match instance.sink {
            Via::Rpc => "make a new key in Odoo, and run `quittance odoo-instance rotate-key`",
            Via::Addon => "connect again in Odoo, in the settings of the provider",
        }
    } else if matches!(error, AppError::Sink(SinkError::NotAllowed { .. })) {
        "name its network in QUITTANCE_ODOO_ALLOWED_NETWORKS"
    } else {
        "look whether this machine reaches Odoo, and whether it runs"
    };
    Finding::error(check, format!("{}: {}", instance.url, told(error)), remedy)
}

fn rest(app: &App, instance: &ShownInstance) -> Option<Finding> {
    let until = instance.paused_until.filter(|until| *until > app.clock.now())?;
    let why = instance.paused_reason.as_deref().unwrap_or("it was not reached");
    let said = format!("it rests until {until}: {why}");
    let remedy = "put right what is said; it is tried again by itself: docs/runbook.md";
    Some(Finding::warning("odoo.rest", said, remedy))
}

async fn messages(app: &App, merchant: MerchantId, instance: &ShownInstance) -> Finding {
    let check = "odoo.messages";
    let standing = async {
        let mut conn = app.db.read(merchant).await?;
        Ok::<_, AppError>(store::outbox::lists::get_standing(&mut conn, merchant, instance.id).await?)
    };
    match standing.await {
        Ok(standing) if standing.dead > 0 => {
            let said = format!(
                "{} messages are dead, and those of their payments wait",
                standing.dead
            );
            Finding::error(
                check,
                said,
                "`quittance outbox list --state dead`: docs/runbook.md",
            )
        }
        Ok(standing) => Finding::ok(check, format!("{} wait, none is dead", standing.pending)),
        Err(error) => super::unread(check, &error),
    }
}
