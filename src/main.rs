//! The program: hands its arguments to the command-line floor and exits with its status.

fn main() -> std::process::ExitCode {
    rbake::cli::main()
}
