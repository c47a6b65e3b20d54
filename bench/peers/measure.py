#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures other engines beside Hadal in one run: in turns, round after round, and prints medians.

  measure.py --hadal build/release/hadal --model /tmp/v4-5b --threads 2 --rounds 3 \\
      'llama.cpp MXFP4=691=/opt/llama.cpp/llama-bench -m /tmp/v4-mxfp4.gguf' \\
      'ik MXFP4=691=/opt/ik/llama-bench -m /tmp/v4-mxfp4.gguf'

A peer is NAME=MB=COMMAND: what one token reads of weights in megabytes (v4_gguf.py prints it) and a
program that takes llama-bench's options.  Before each turn `hadal bench` reads the machine's bandwidth
and its int8 peak, so every share is one of the minute it was measured in.  Each engine's arithmetic of a
prompt is counted alike: twice the parameters that a token is multiplied with.

Nothing is downloaded or built here.  Needs python3.
"""
import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile


def run(command):
    """Standard output of a command; ends the program if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("%s\n%s\nended with %d" % (" ".join(command), done.stderr[-2000:], done.returncode))
    return done.stdout


def hadal_bench(options, backend, prefills, tokens):
    """The figures of one `hadal bench`, as its --json writes them."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        run([options.hadal, "bench", "--model", options.model, "--backend", backend,
             "--threads", str(options.threads), "--rounds", "1", "--tokens", str(tokens),
             "--contexts", "0", "--prefill", prefills, "--json", file.name])
        return json.load(open(file.name))


def machine(options):
    """Bytes a second, int8 operations a second and operations of a prompt's token, now."""
    figures = hadal_bench(options, options.backends[0], "1", 1)
    return (figures["read_bytes_per_second"], figures["int8_operations_per_second"],
            figures["operations_per_token"])


def hadal_turn(options, backend):
    figures = hadal_bench(options, backend, str(options.prompt), options.tokens)
    decode, prefill = figures["decode"][0], figures["prefill"][0]
    return {"decode": decode["tokens_per_second"], "of bandwidth": decode["share_of_bandwidth"],
            "prompt": prefill["tokens_per_second"], "of int8 peak": prefill["share_of_peak"]}


def peer_turn(options, megabytes, command):
    read, int8, operations = machine(options)
    rows = json.loads(run(shlex.split(command) + [
        "-p", str(options.prompt), "-n", str(options.tokens), "-t", str(options.threads),
        "-r", "1", "-o", "json"]))
    decode = next(row["avg_ts"] for row in rows if row["n_gen"] > 0)
    prompt = next(row["avg_ts"] for row in rows if row["n_prompt"] > 0)
    return {"decode": decode, "of bandwidth": decode * megabytes * 1e6 / read,
            "prompt": prompt, "of int8 peak": prompt * operations / int8}


def print_medians(results):
    width = max(len(name) for name in results)
    columns = ["decode", "of bandwidth", "prompt", "of int8 peak"]
    print("\n%-*s %s   (medians; lowest to highest of the decodes)" % (
        width, "", " ".join("%13s" % column for column in columns)))
    for name, turns in results.items():
        medians = [statistics.median(turn[column] for turn in turns) for column in columns]
        decodes = [turn["decode"] for turn in turns]
        print("%-*s %13.1f %13.2f %13.1f %13.2f   (%.1f to %.1f)" % (
            width, name, *medians, min(decodes), max(decodes)))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hadal", default="build/release/hadal")
    parser.add_argument("--model", required=True, help="folder made by hadal data checkpoint")
    parser.add_argument("--backends", default="cpu", type=lambda text: text.split(","),
                        help="back ends of Hadal to measure, by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--json", help="file for every single turn")
    parser.add_argument("peers", nargs="*", metavar="NAME=MB=COMMAND")
    options = parser.parse_args()

    turns = {"Hadal " + backend: lambda backend=backend: hadal_turn(options, backend)
             for backend in options.backends}
    for peer in options.peers:
        name, megabytes, command = peer.split("=", 2)
        turns[name] = lambda mb=float(megabytes), line=command: peer_turn(options, mb, line)

    results = {name: [] for name in turns}
    for number in range(options.rounds):
        for name, turn in turns.items():
            results[name].append(turn())
            print("round %d  %-24s decode %6.1f tokens/s, prompt of %d %7.1f tokens/s" % (
                number + 1, name, results[name][-1]["decode"], options.prompt,
                results[name][-1]["prompt"]), flush=True)
    print_medians(results)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
