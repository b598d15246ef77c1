//! The command line: arguments and signals, one call per subcommand.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use cpm_bridge::{
    config::{Config, LogConfig, LogLevel},
    demo,
    identity::Secret,
    probe, serve,
};

/// OMA NMS REST API in front of an existing IMAP message store.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the service.
    Serve {
        /// Configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Validates a configuration file.
    CheckConfig {
        /// Configuration file (TOML).
        file: PathBuf,
        /// Also connects to each store.
        #[arg(long)]
        connect: bool,
        /// Box id to log in with, such as tel:+15550100.
        #[arg(long, value_name = "BOX", requires = "connect")]
        user: Option<String>,
        /// File with the box's password on its first line; without it the stores' operators log in.
        #[arg(long, value_name = "FILE", requires = "user")]
        password_file: Option<PathBuf>,
    },
    /// Runs a private Dovecot with two boxes, and the service in front of it.
    Demo {
        /// Where REST is served.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Where operators ask.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
        admin_listen: SocketAddr,
        /// Where Dovecot listens.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:10143")]
        imap_listen: SocketAddr,
        /// Directory to keep; default: a temporary one.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// 0 ok, 1 failed while running, 2 bad usage or configuration.
#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve { config } => match load(&config) {
            Ok(config) => {
                serve::install_log(&config.log);
                outcome(Box::pin(serve::run(&config)).await)
            }
            Err(code) => code,
        },
        Command::CheckConfig {
            file,
            connect,
            user,
            password_file,
        } => match load(&file).inspect(warn) {
            Ok(config) if connect => {
                outcome(Box::pin(check(&config, user.as_deref(), password_file)).await)
            }
            Ok(_) => say("ok"),
            Err(code) => code,
        },
        Command::Demo {
            listen,
            admin_listen,
            imap_listen,
            dir,
        } => {
            let options = demo::Options {
                listen,
                admin_listen,
                imap_listen,
                dir,
            };
            serve::install_log(&LogConfig {
                level: LogLevel::Warn,
                ..LogConfig::default()
            });
            outcome(
                Box::pin(serve::until_signal(async |stop| {
                    demo::run(options, stop).await
                }))
                .await,
            )
        }
    }
}

/// The configuration, if it and the files it names can be used.
fn load(file: &Path) -> Result<Config, ExitCode> {
    let config = Config::load(file).and_then(|config| {
        serve::check_files(&config)?;
        Ok(config)
    });
    config.map_err(|error| {
        eprintln!("cpm-bridge: {}: {error}", file.display());
        ExitCode::from(2)
    })
}

/// Says what is allowed and yet a danger.
fn warn(config: &Config) {
    for warning in serve::warnings(config) {
        eprintln!("cpm-bridge: warning: {warning}");
    }
}

async fn check(
    config: &Config,
    user: Option<&str>,
    password_file: Option<PathBuf>,
) -> anyhow::Result<()> {
    let password = password_file
        .map(|file| {
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            anyhow::Ok(Secret::new(text.lines().next().unwrap_or_default()))
        })
        .transpose()?;
    let login = user.map(|box_id| probe::Login {
        box_id,
        password: password.as_ref(),
    });
    let report = probe::connect(config, login).await?;
    say(report.text.trim_end());
    anyhow::ensure!(report.well, "not all of it can be used");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn say(text: &str) -> ExitCode {
    println!("{text}");
    ExitCode::SUCCESS
}

fn outcome(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cpm-bridge: {error:#}");
            let configuration =
                matches!(error.downcast_ref(), Some(serve::Error::Configuration(_)));
            ExitCode::from(if configuration { 2 } else { 1 })
        }
    }
}
