"""Queries a second as ratios to FAISS's indexes, on WordNet/MiniLM.

Indexes are searched in turn, A B A B ..., in one process; printed are the medians
of the rounds with the least and the largest, and the ratios to FAISS's index, the
first of each comparison. Bytes are those of the codes. Networks are included: each
index searches the embeddings as they are.

    python benchmarks/speed.py
    python benchmarks/speed.py --cases flat ivf --threads 1 2 --csv speed.csv \\
        --plot speed.png
    python benchmarks/speed.py --cases flat codes --queries 1 --in-a-row 200
    python benchmarks/speed.py PQ128x4fs PCA256,SDC2_Sfp16    # these in turn
    python benchmarks/speed.py RaBitQfs4 "SDC4fs first_nbits=2,k_factor=4"
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import faiss
import roofline
import wordnet
from speed_cases import Cases, binary, binary_ivf, codes, given, set_parameter
from timing import (
    Contender,
    K,
    SpeedRow,
    compare,
    describe,
    describe_at_equal_recall,
    draw,
    write,
)

import faiss_bebr

CASES = ("flat", "ivf", "hnsw", "codes", "binary", "binary_ivf", "roofline")
METRICS = {"IP": faiss.METRIC_INNER_PRODUCT, "L2": faiss.METRIC_L2}
BINARY_BITS = (256, 512, 1024, 2048)
BINARY_NPROBES = (1, 4, 16, 64, 256)


@dataclass
class Plan:
    """How each comparison is measured."""

    threads: list[int]
    queries: list[int]
    k: int
    rounds: int
    clock: str
    in_a_row: int

    def compare(
        self, case: str, contenders: list[Contender], parameter: int | None = None
    ) -> Iterator[SpeedRow]:
        for threads in self.threads:
            faiss.omp_set_num_threads(threads)
            for at_once in self.queries:
                yield from compare(
                    case,
                    contenders,
                    queries_at_once=at_once,
                    threads=threads,
                    k=self.k,
                    # a single query is soon done
                    rounds=self.rounds if at_once > 1 else 5 * self.rounds,
                    parameter=parameter,
                    clock=self.clock,
                    in_a_row=self.in_a_row,
                )


def measure_swept(cases: Cases, case: str, plan: Plan) -> Iterator[SpeedRow]:
    contenders, parameter, values = cases.swept(case)
    for value in values:
        for one in contenders:
            set_parameter(one, parameter, value)
            cases.measure(one)
        yield from plan.compare(case, contenders, value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "descriptions",
        nargs="*",
        help="factory strings, in place of cases; search parameters after a space",
    )
    parser.add_argument("--metric", choices=METRICS, help="of these, by default IP")
    parser.add_argument("--cases", nargs="+", choices=CASES)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--queries", type=int, nargs="+", default=[1000, 1])
    parser.add_argument(
        "--k",
        type=int,
        default=K,
        help="neighbours that are asked for; recall is 10@10 whatever it is, and the "
        "roofline has its own",
    )
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: what the thread computed, for a machine with other work",
    )
    parser.add_argument(
        "--in-a-row",
        type=int,
        default=1,
        help="searches of an index before it is the next one's turn; with --queries "
        "1000 in all at most",
    )
    parser.add_argument(
        "--code-vectors",
        type=int,
        default=117_659,
        help="of the case codes, by default as many as WordNet's documents",
    )
    parser.add_argument("--binary-vectors", type=int, default=1_000_000)
    parser.add_argument("--large-vectors", type=int, default=10_000_000)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--plot", type=Path, help="where the picture is written")
    arguments = parser.parse_args()

    if arguments.descriptions and arguments.cases:
        parser.error("either factory strings or --cases")
    if arguments.metric and not arguments.descriptions:
        parser.error("--metric is that of factory strings")
    cases_asked = set() if arguments.descriptions else set(arguments.cases or CASES)
    if arguments.clock == "cpu" and arguments.threads != [1]:
        parser.error("--clock cpu counts one thread only")
    if not 1 <= arguments.in_a_row <= 1000 // max(arguments.queries):
        parser.error("there are 1000 queries in all for --queries and --in-a-row")
    plan = Plan(
        arguments.threads,
        arguments.queries,
        arguments.k,
        arguments.rounds,
        arguments.clock,
        arguments.in_a_row,
    )
    print(
        f"{plan.rounds} rounds, {plan.clock} time, kernels "
        f"{faiss_bebr.get_simd_level_name()}, faiss-cpu {faiss.__version__}"
    )
    rows: list[SpeedRow] = []

    def take(measured: Iterator[SpeedRow]) -> None:
        for row in measured:
            rows.append(row)
            print(describe(row), flush=True)

    if arguments.descriptions:
        metric = METRICS[arguments.metric or "IP"]
        take(
            plan.compare("given", given(wordnet.load(), arguments.descriptions, metric))
        )
    if {"flat", "ivf", "hnsw"} & cases_asked:
        cases = Cases(wordnet.load())
        if "flat" in cases_asked:
            for contenders in cases.flat():
                take(plan.compare("flat", contenders))
        for case in ("ivf", "hnsw"):
            if case in cases_asked:
                take(measure_swept(cases, case, plan))
                swept = [row for row in rows if row.case == case]
                print(*describe_at_equal_recall(swept), sep="\n", flush=True)
    if "codes" in cases_asked:
        take(plan.compare("codes", codes(arguments.code_vectors)))
    if "binary" in cases_asked:
        # each takes a millisecond and more
        few = replace(plan, queries=[min(at_once, 100) for at_once in plan.queries])
        for bits in BINARY_BITS:
            take(few.compare("binary", binary(bits, arguments.binary_vectors)))
    if "binary_ivf" in cases_asked:
        contenders = binary_ivf(512, arguments.binary_vectors)
        for nprobe in BINARY_NPROBES:
            for one in contenders:
                one.index.nprobe = nprobe
            take(plan.compare("binary_ivf", contenders, nprobe))
    if "roofline" in cases_asked:
        for threads in arguments.threads:
            for line in roofline.report(
                threads, n=arguments.large_vectors, rounds=plan.rounds
            ):
                print(line, flush=True)
    if arguments.csv:
        write(rows, arguments.csv)
    if arguments.plot:
        draw(rows, arguments.plot)


if __name__ == "__main__":
    main()
