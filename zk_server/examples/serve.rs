//! Runs the embedded ZooKeeper by hand: `cargo run -p zk_server --example serve -- zoo.cfg`. Ends with ctrl-C.
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a program for people, outside the server")]

use std::process::ExitCode;
use std::sync::Arc;

use world::{RealDisk, SystemClock};
use zk_server::Config;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", zk_server::store::describe(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: serve zoo.cfg")?;
    let config = Config::from_properties(&std::fs::read(path)?, &Default::default())?;
    let server = zk_server::start(config, Arc::new(RealDisk), Arc::new(SystemClock::new())).await?;
    eprintln!("serving on {}", server.local_addr());
    tokio::select! {
        reason = server.failed() => return Err(reason.into()),
        _ = tokio::signal::ctrl_c() => {}
    }
    server.stop().await;
    Ok(())
}
