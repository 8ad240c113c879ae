"""`layer/verify`: options, and the order of things. Started by that script, which brings the packages."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import secrets
import signal
import subprocess
import sys
import threading

from . import driving, packages, plan
from .driving import Stopped
from .endpoint import Endpoint
from .table import Table, held_or_not, skipped

ROOT = driving.ROOT
DIST = ROOT / "dist"


class WrongUse(Exception):
    pass


def say(words):
    print(f"layer/verify: {words}", file=sys.stderr, flush=True)


def list_of(accepted, name):
    def parse(text):
        words = text.split(",")
        for word in words:
            if word not in accepted:
                raise WrongUse(f"{name} is \"{word}\": accepted are {', '.join(accepted)}")
        return words

    return parse


def sizes(text):
    words = text.split(",")
    for word in words:
        if not word.isdigit() or not 128 <= int(word) <= 10240:
            raise WrongUse(f'--memory is "{word}": accepted are 128 to 10240 (MB), separated by commas')
    return list(map(int, words))


def parser():
    options = argparse.ArgumentParser(
        prog="layer/verify", allow_abbrev=False,
        description="Tries Lamprey on real Lambda functions of this account, and prints what holds as a table.",
    )  # fmt: skip
    runtimes = [r for language in plan.RUNTIMES.values() for r in language]
    scenarios = [*plan.SCENARIOS, *plan.APART, plan.PROBE]
    options.add_argument("--dry-run", action="store_true", help="print the plan, the rights it needs and its cost")
    options.add_argument("--clean", action="store_true", help="remove what earlier runs left behind, nothing else")
    options.add_argument("--keep", action="store_true", help="leave everything there (--clean removes it)")
    options.add_argument("--region", metavar="NAME", help="default: as the AWS CLI has it")
    options.add_argument("--profile", metavar="NAME", help="likewise")
    options.add_argument("--runtimes", metavar="A,B", type=list_of(runtimes, "--runtimes"), default=runtimes)
    options.add_argument("--architectures", metavar="A,B", type=list_of(plan.ARCHITECTURES, "--architectures"),
                         default=list(plan.ARCHITECTURES))  # fmt: skip
    options.add_argument("--memory", metavar="MB,MB", type=sizes, default=[plan.SMALL, plan.LARGE])
    options.add_argument("--scenarios", metavar="A,B", type=list_of(scenarios, "--scenarios"), help="only these")
    options.add_argument("--no-probe", action="store_true", help="leave out the functions that answer questions")
    options.add_argument("--snapstart", action="store_true", help="the probe also from a snapshot (takes minutes)")
    options.add_argument("--at-once", metavar="N", type=int, default=12, help="functions at a time (default 12)")
    options.add_argument("--patience", metavar="S", type=float, default=60, help="wait so long for lines (default 60)")
    options.add_argument("--dist", metavar="DIR", default=str(DIST), help="where layer/build put the zips")
    options.add_argument("--results", metavar="DIR", help="default: build/verify/ID")
    options.add_argument("--endpoint", metavar="URL", help="no account: a function that already runs there")
    options.add_argument("--logs", metavar="DIR", help="with --endpoint: where its log is written to")
    return options


# ---- the plan -----------------------------------------------------------------------------------


def chosen(options):
    functions = plan.functions(options.runtimes, options.architectures, options.memory,
                               not options.no_probe, options.snapstart)  # fmt: skip
    if options.scenarios:
        kept = set(options.scenarios)
        functions = [f for f in functions if kept & set(f.scenarios)]
    return functions


def show_plan(options):
    functions = chosen(options)
    invocations, gb_seconds, dollars, waiting = plan.estimate(functions)
    minutes = waiting / options.at_once / 60 + 1.5
    print(f"{len(functions)} functions, each with its log group; {len(options.architectures)} layers, and one for the "
          f"probe; one role. All are called {plan.MARK}-ID-... and tagged {plan.MARK}.\n")  # fmt: skip
    for function in functions:
        what = ", ".join(f"{name} x{times}" if times > 1 else name for name, times in function.scenarios.items())
        print(f"  {function.label:<40} {what}")
    print("\nRights of the caller (the functions themselves may only write their logs):")
    for action in plan.ACTIONS:
        print(f"  {action}")
    print(f"\n{invocations} invocations, {gb_seconds:.0f} GB-seconds: about {dollars:.2f} US dollars at list prices, "
          f"less with a free tier. About {minutes:.0f} minutes, {options.at_once} functions at a time.")  # fmt: skip
    return 0


# ---- one function -------------------------------------------------------------------------------


class Run:
    """What all functions of one run share."""

    def __init__(self, options, stop):
        self.options = options
        self.stop = stop
        self.id = secrets.token_hex(4)
        self.table = Table(driving.COLUMNS)
        self.schema = driving.validator()
        self.lock = threading.Lock()
        self.answers = []  # of the probes
        self.binaries = {}  # by runtime and architecture
        self.results = pathlib.Path(options.results or ROOT / "build" / "verify" / self.id)

    def keep(self, name, text):
        self.results.mkdir(parents=True, exist_ok=True)
        (self.results / name).write_text(text)

    def try_function(self, function, back):
        """One function, from its first invocation to its row."""
        if function.kind == plan.PROBE:
            document = driving.ask_probe(function, back, self.table, self.stop)
            if document is not None:
                with self.lock:
                    self.answers.append(document)
            return
        lines = driving.drive(function, back, self.table, self.schema, self.options.patience, self.stop,
                              self.options.scenarios)  # fmt: skip
        if any(row == function.label for row, _, _ in self.table.failures()):
            self.keep(f"{function.label.replace(' ', '-')}.log", "\n".join(lines) + "\n")
        if function.kind == "main" and function.language != "c":
            self.binaries[f"{function.runtime} {function.architecture}"] = driving.ask_binaries(back)

    def finish(self):
        """Prints the table, keeps it and the answers. Returns the exit status."""
        text = str(self.table)
        print(text)
        self.keep("table.txt", text + "\n")
        if self.answers or any(self.binaries.values()):
            answers = sorted(self.answers, key=lambda document: json.dumps(document["function"]))
            self.keep("answers.json", json.dumps({"probe": answers, "binaries": self.binaries}, indent=1) + "\n")
        say(f"kept in {self.results}")
        return 1 if self.table.failures() or not self.table.count("ok") else 0


# ---- behind an endpoint -------------------------------------------------------------------------


def run_endpoint(options, run):
    if not options.logs or not pathlib.Path(options.logs).is_dir():
        raise WrongUse(f"--logs is {options.logs}: --endpoint needs the folder that gets what the function prints")
    runtime = options.runtimes[0] if len(options.runtimes) == 1 else "python" + ".".join(platform.python_version_tuple()[:2])
    architecture = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    back = Endpoint(options.endpoint, options.logs, run.stop)
    apart = [name for name in options.scenarios or [] if name in plan.APART or name == plan.PROBE]
    kind = apart[0] if apart else "main"
    function = plan.Function(runtime, architecture, options.memory[0], kind)
    if options.scenarios is None:
        needs = "it needs a function of its own (--scenarios {})"
        for name in plan.APART:
            run.table.put(function.label, name, skipped(needs.format(name)))
    run.try_function(function, back)
    return run.finish()


# ---- in an account ------------------------------------------------------------------------------


def clients_of(options):
    import boto3
    import botocore.exceptions

    from .account import Clients

    region = options.region or os.environ.get("AWS_REGION")  # which the AWS CLI reads, and boto3 does not
    try:
        session = boto3.Session(profile_name=options.profile, region_name=region)
    except botocore.exceptions.ProfileNotFound as error:
        raise WrongUse(f"--profile is {options.profile}: {error}") from error
    if session.region_name is None:
        raise WrongUse("no region is set; accepted is --region NAME, or AWS_REGION")
    return Clients(session)


def is_of_aws(error):
    """boto3's own, of which some modules are made at run time."""
    return any(kind.__module__.startswith("botocore") for kind in type(error).__mro__)


def one_function(run, account, function):
    from .account import NotOffered

    label = function.label
    try:
        back = account.make(function)
        try:
            run.try_function(function, back)
        finally:
            if not run.options.keep:
                account.remove(back)
    except (NotOffered, packages.CannotBeMade) as reason:
        run.table.put(label, "function", skipped(str(reason)))
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001: one function's trouble is one row's
        run.table.put(label, "function", held_or_not([f"{type(error).__name__}: {error}"]))


def build_what_is_missing(options):
    """The zips, with the cross compiler that provided.* wants too. Zips of somebody's own are taken as they are."""
    missing = [a for a in options.architectures if not (pathlib.Path(options.dist) / f"lamprey-{a}.zip").exists()]
    if not missing or pathlib.Path(options.dist) != DIST:
        return
    say(f"building the layer for {' and '.join(missing)} (the first time takes some minutes)")
    if subprocess.run([ROOT / "layer" / "build", *missing], stdout=subprocess.DEVNULL).returncode != 0:
        raise packages.CannotBeMade("layer/build failed")


def run_account(options, run):
    from .account import Account
    from .cleanup import Finder, remove_all

    functions = chosen(options)
    clients = clients_of(options)
    build_what_is_missing(options)
    account = Account(clients, run.id, run.stop)
    say(f"run {run.id}: {len(functions)} functions in {clients.functions.meta.region_name}")
    status = 1
    try:
        account.prepare(options.architectures, options.dist, any(f.kind == plan.PROBE for f in functions))
        with concurrent.futures.ThreadPoolExecutor(options.at_once) as pool:
            waiting = {pool.submit(one_function, run, account, function) for function in functions}
            while waiting:
                done, waiting = concurrent.futures.wait(waiting, 0.2, concurrent.futures.FIRST_COMPLETED)
                if run.stop.is_set():
                    for left in waiting:
                        left.cancel()
        if run.stop.is_set():
            raise Stopped
        status = run.finish()
    except Stopped:
        say("stopped; removing what was made")
        status = 130
    except packages.CannotBeMade as reason:
        say(str(reason))
    except Exception as error:  # noqa: BLE001: in one line, and what was made must go
        if not is_of_aws(error):
            raise
        say(f"{type(error).__name__}: {error}")
    finally:
        if options.keep:
            say(f"everything is kept; layer/verify --clean removes it (tag {plan.MARK}={run.id})")
        else:
            _, failed = remove_all(Finder(clients, run.id), say)
            status = 1 if failed else status
            say("not all could be removed; try layer/verify --clean" if failed else "everything made was removed")
    return status


def clean(options):
    from .cleanup import Finder, remove_all

    removed, failed = remove_all(Finder(clients_of(options)), say)
    print(f"{removed} removed, {len(failed)} still there")
    return 1 if failed else 0


def perform(options, stop):
    if options.at_once < 1:
        raise WrongUse(f"--at-once is {options.at_once}: accepted is 1 or more")
    if options.dry_run:
        return show_plan(options)
    if options.clean:
        return clean(options)
    run = Run(options, stop)
    return run_endpoint(options, run) if options.endpoint else run_account(options, run)


def main():
    stop = threading.Event()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: stop.set())
    try:
        return perform(parser().parse_args(), stop)
    except WrongUse as wrong:
        say(str(wrong))
        return 2
    except packages.CannotBeMade as reason:
        say(str(reason))
        return 1
    except Stopped:
        return 130
    except Exception as error:  # noqa: BLE001
        if is_of_aws(error):
            say(f"{type(error).__name__}: {error}")
            return 1
        raise


if __name__ == "__main__":
    sys.exit(main())
