use std::process::ExitCode;

fn main() -> ExitCode {
    stemwise::cli::main()
}
