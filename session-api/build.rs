fn main() {
    // The migrations are part of the program; cargo does not see a new file by itself.
    println!("cargo::rerun-if-changed=../migrations");
}
