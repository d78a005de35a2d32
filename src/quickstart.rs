//! `klamm quickstart`: an embedded ZooKeeper and a broker in one process, on an empty directory or on one of an earlier
//! quickstart. For trying things out and for laptops; production runs `klamm server` beside a real ensemble.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use config::{BrokerConfig, Properties};
use tracing::{info, warn};
use world::{Disk, RealDisk, SystemClock};
use zk_server::{Config as ZooKeeperConfig, Server as ZooKeeper};

use crate::cli::{QuickstartArguments, ZooKeeperArguments};
use crate::open_files;
use crate::server::{self, Server, Signals, World};

/// The port that people expect a ZooKeeper at.
const ZOOKEEPER_PORT: u16 = 2181;
/// Largest zookeeper.properties that is read, bytes.
const MAX_PROPERTIES: u64 = 1 << 20;

/// Runs both until a signal asks for the end.
pub(crate) fn run(arguments: QuickstartArguments) -> Result<(), String> {
    open_files::raise_limit();
    let runtime = server::runtime(None)?;
    let end = runtime.block_on(serve(arguments));
    // A start that was given up may still be reading logs.
    runtime.shutdown_background();
    end
}

async fn serve(arguments: QuickstartArguments) -> Result<(), String> {
    let mut signals = Signals::new()?;
    let zookeeper = start_zookeeper(&arguments.dir).await?;
    let config = broker_config(&arguments, zookeeper.local_addr())?;
    let world = World::real();
    let broker = match Server::start_unless(config, world, signals.stop()).await {
        Ok(broker) => broker,
        Err(error) => {
            zookeeper.stop().await;
            return Err(error.to_string());
        }
    };
    announce(&arguments, zookeeper.local_addr());
    let end = tokio::select! {
        () = signals.stop() => Ok(()),
        reason = broker.failure() => Err(reason),
        reason = zookeeper.failed() => Err(format!("the embedded ZooKeeper failed: {reason}")),
    };
    broker.stop().await;
    zookeeper.stop().await;
    end
}

/// Prefers the well-known port and takes any other when somebody has it.
async fn start_zookeeper(dir: &Path) -> Result<ZooKeeper, String> {
    let mut config = ZooKeeperConfig::new(dir.join("zookeeper"));
    let mut result = Err(String::new());
    for port in [ZOOKEEPER_PORT, 0] {
        config.address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let started = zk_server::start(config.clone(), Arc::new(RealDisk), Arc::new(SystemClock::new())).await;
        let cannot = |error| format!("cannot start the embedded ZooKeeper: {}", zk_server::store::describe(&error));
        result = started.map_err(cannot);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn broker_config(arguments: &QuickstartArguments, zookeeper: SocketAddr) -> Result<BrokerConfig, String> {
    let mut properties: Properties = [
        ("broker.id", "0".to_string()),
        ("listeners", format!("PLAINTEXT://127.0.0.1:{}", arguments.port)),
        ("advertised.listeners", format!("PLAINTEXT://localhost:{}", arguments.port)),
        ("log.dirs", arguments.dir.join("kafka-logs").display().to_string()),
        ("zookeeper.connect", zookeeper.to_string()),
        ("zookeeper.session.timeout.ms", "6000".to_string()),
        ("offsets.topic.replication.factor", "1".to_string()),
        ("transaction.state.log.replication.factor", "1".to_string()),
        ("transaction.state.log.min.isr", "1".to_string()),
        ("group.initial.rebalance.delay.ms", "0".to_string()),
    ]
    .into_iter()
    .collect();
    for text in &arguments.overrides {
        properties.apply_override(text).map_err(|error| error.to_string())?;
    }
    BrokerConfig::new(properties).map_err(|errors| errors.to_string())
}

#[allow(clippy::print_stdout, reason = "this is the command's output")]
fn announce(arguments: &QuickstartArguments, zookeeper: SocketAddr) {
    let broker = format!("localhost:{}", arguments.port);
    println!(
        "
Klamm is ready. Data is in {dir}; stop with Ctrl-C.

  broker      {broker}       (bootstrap.servers)
  ZooKeeper   {zookeeper}  (embedded, single node: not for production)

Try, in another terminal (the same commands work with Kafka's own scripts):

  klamm topics --bootstrap-server {broker} --create --topic hello --partitions 3
  echo 'first message' | klamm console-producer --bootstrap-server {broker} --topic hello
  klamm console-consumer --bootstrap-server {broker} --topic hello --from-beginning --max-messages 1
",
        dir = arguments.dir.display(),
    );
}

/// `klamm zookeeper`: the embedded ZooKeeper by itself.
pub(crate) fn run_zookeeper(arguments: ZooKeeperArguments) -> Result<(), String> {
    open_files::raise_limit();
    server::runtime(None)?.block_on(async {
        let mut signals = Signals::new()?;
        let config = zookeeper_config(&arguments.properties)?;
        warn!("this ZooKeeper is a single node by design: for production use an Apache ZooKeeper ensemble");
        let server = zk_server::start(config, Arc::new(RealDisk), Arc::new(SystemClock::new())).await;
        let server = server.map_err(|error| zk_server::store::describe(&error))?;
        info!("ZooKeeper listens on {}", server.local_addr());
        let end = tokio::select! {
            () = signals.stop() => Ok(()),
            reason = server.failed() => Err(reason),
        };
        server.stop().await;
        end
    })
}

fn zookeeper_config(path: &Path) -> Result<ZooKeeperConfig, String> {
    let cannot = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let bytes = RealDisk.read_all(path, MAX_PROPERTIES).map_err(cannot)?;
    let options = std::env::var("KAFKA_OPTS").unwrap_or_default();
    let system = zk_server::system_properties::parse(&options);
    ZooKeeperConfig::from_properties(&bytes, &system).map_err(|error| format!("{}: {error}", path.display()))
}
