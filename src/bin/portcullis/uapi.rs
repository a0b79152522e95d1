//! `portcullis uapi`: the numbers of APIs by JR/T 0185-2020, Appendix B.

use crate::{End, Failure};
use portcullis::policy::uapi::{Type, UApiId};

/// Read or put together a U_API_ID (JR/T 0185-2020, Appendix B).
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  portcullis uapi parse OP1023450202000100001000\n  \
    portcullis uapi build --institution 102345 --level A2 --service 2 --sub-service 1 --number 10")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Say what each field of a U_API_ID means; exit code 1 where it is none
    Parse {
        /// The 24 characters
        id: String,
    },
    /// Put a U_API_ID together
    Build {
        /// The first six characters of the bank's code (JR/T 0124)
        #[arg(long)]
        institution: String,
        /// The security level: A1 or A2
        #[arg(long)]
        level: String,
        /// First level of the service, 1 to 99
        #[arg(long)]
        service: u8,
        /// Second level of the service, 1 to 9999
        #[arg(long)]
        sub_service: u16,
        /// Number of the API, 1 to 999999
        #[arg(long)]
        number: u32,
        /// The reserved place, 0 to 99
        #[arg(long, default_value_t = 0)]
        reserved: u8,
    },
}

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    match &arguments.command {
        Command::Parse { id } => match UApiId::parse(id) {
            Ok(read) => {
                println!("institution  {}", String::from_utf8_lossy(&read.institution));
                println!("level        {:?}", read.kind);
                println!("service      {:02} {}", read.service, read.service_name().unwrap_or("(the bank's own)"));
                println!("sub-service  {:04}", read.sub_service);
                println!("number       {:06}", read.number);
                println!("reserved     {:02}", read.reserved);
                Ok(End::Done)
            }
            Err(e) => {
                eprintln!("portcullis: {id}: {e}");
                Ok(End::Findings)
            }
        },
        Command::Build { institution, level, service, sub_service, number, reserved } => {
            let institution =
                institution.as_bytes().try_into().map_err(|_| "--institution: expected six characters")?;
            let kind = match level.as_str() {
                "A1" => Type::A1,
                "A2" => Type::A2,
                _ => return Err("--level: expected A1 or A2".to_owned()),
            };
            let id = UApiId {
                institution,
                kind,
                service: *service,
                sub_service: *sub_service,
                number: *number,
                reserved: *reserved,
            };
            id.check().map_err(|e| e.to_string())?;
            println!("{id}");
            Ok(End::Done)
        }
    }
}
