# The toolchain of the preset arm: Debian's cross-compiler, and qemu to run what it makes.  The
# processor that qemu plays has everything it knows, so all of NEON's instruction sets are tested.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;/usr/aarch64-linux-gnu;-cpu;max)
