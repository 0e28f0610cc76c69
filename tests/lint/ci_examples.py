#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ci_examples.py MLBUILD: examples/ci is YAML of the shape that each platform wants, every pod of it may do what
mlbuild needs and no more, and every option that its commands have is one of mlbuild's."""
import os
import re
import subprocess
import sys

import yaml

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/ci")
CACHE = ("--push", "--cache-from", "--cache-to")


def documents(name):
    with open(os.path.join(HERE, name)) as f:
        return list(yaml.safe_load_all(f))


def texts(value):
    """Every string in a document."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(item)


def commands(name):
    """What is typed after "mlbuild", one text each."""
    for document in documents(name):
        for text in texts(document):
            for line in text.replace("\\\n", " ").splitlines():
                yield from re.findall(r"(?:^|\s|exec )mlbuild ((?:login |build )?-.*)", line)


def options(mlbuild, command):
    out = subprocess.run([mlbuild, command, "--help"], check=True, text=True, stdout=subprocess.PIPE).stdout
    return set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", out, re.M)) | set(re.findall(r"^ +(-\w),", out, re.M))


def check_commands(mlbuild, name):
    builds = 0
    for command in commands(name):
        verb = "login" if command.startswith("login ") else "build"
        used = set(re.findall(r"(?:^|\s)(--?[a-z][\w-]*)", command))
        assert used <= options(mlbuild, verb), f"{name}: mlbuild {verb} has no {used - options(mlbuild, verb)}"
        if verb == "build":
            builds += 1
            assert used >= set(CACHE), f"{name}: {command}"
            sources = re.findall(r"type=registry,ref=([^\" ]+/app-cache)", command)
            assert len(sources) == 2 and sources[0] == sources[1], f"{name}: one cache for all: {sources}"
    assert builds == 1, f"{name}: {builds} builds"


def check_context(context):
    assert context == {"runAsUser": 0, "allowPrivilegeEscalation": False, "procMount": "Unmasked",
                       "seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"}}, context


def check_mounts(container, volumes, workspaces=()):
    for mount in container["volumeMounts"]:
        assert mount["name"] in volumes, mount
    paths = {m["mountPath"] for m in container["volumeMounts"]} | {w["mountPath"] for w in workspaces}
    environment = {e["name"]: e["value"] for e in container["env"]}
    assert {"/store", environment["DOCKER_CONFIG"]} <= paths, paths


def check_kubernetes():
    (job,) = documents("kubernetes.yaml")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert spec["completionMode"] == "Indexed" and spec["parallelism"] == spec["completions"] > 1
    assert pod["hostUsers"] is False and pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    check_context(container["securityContext"])
    check_mounts(container, {v["name"] for v in pod["volumes"]})
    (services,) = re.findall(r"services=\((.*)\)", container["args"][0])
    assert len(services.split()) == spec["completions"]


def check_tekton():
    task, run = documents("tekton.yaml")
    assert (task["kind"], run["kind"]) == ("Task", "PipelineRun")
    assert run["spec"]["taskRunTemplate"]["podTemplate"]["hostUsers"] is False
    step = task["spec"]["steps"][-1]
    check_context(step["securityContext"])
    check_mounts(step, {v["name"] for v in task["spec"]["volumes"]}, task["spec"]["workspaces"])
    (piece,) = run["spec"]["pipelineSpec"]["tasks"]
    given = {p["name"] for p in piece["params"] + piece["matrix"]["params"]}
    assert {p["name"] for p in task["spec"]["params"] if "default" not in p} == given
    known = {"params." + p["name"] for p in task["spec"]["params"]} | {"results.digest.path"}
    assert {v for t in texts(task) for v in re.findall(r"\$\(([\w.]+)\)", t)} <= known


def check_gitlab():
    (ci,) = documents("gitlab-ci.yml")
    job = ci["images"]
    assert job["stage"] in ci["stages"] and job["retry"]["exit_codes"] == [4]
    assert len(job["parallel"]["matrix"][0]["SERVICE"]) > 1


def check_github():
    (workflow,) = documents("github-actions.yml")
    assert True in workflow  # YAML 1.1 takes "on" for a truth value
    assert workflow["permissions"] == {"contents": "read", "packages": "write"}
    assert all(("uses" in s) != ("run" in s) for s in workflow["jobs"]["image"]["steps"])


def main():
    mlbuild = sys.argv[1]
    names = sorted(name for name in os.listdir(HERE) if name.endswith((".yml", ".yaml")))
    for name in names:
        check_commands(mlbuild, name)
        every = " ".join(str(d) for d in documents(name))
        assert "'privileged'" not in every and "hostPath" not in every and "docker.sock" not in every, name
    for check in (check_kubernetes, check_tekton, check_gitlab, check_github):
        check()
    print("fine:", *names)


if __name__ == "__main__":
    main()
