CHECKPOINTS = f"checkpoints/{SCALE_NAME}/{{row}}/seed-{{seed}}"
GENERATORS = [f"{CHECKPOINTS}/{name}" for name in [*SNAPSHOTS, *([AVERAGED] if SCALE.ema else [])]]


rule train_gan:
    input:
        manifest=rules.prepare_dataset.output.manifest,
        arrays=rules.prepare_dataset.output.arrays,
    output:
        generators=GENERATORS,
        discriminator=f"{CHECKPOINTS}/discriminator.pt",
        events=f"{RUN}/events.jsonl",
        report=f"{RUN}/training.json",
    log:
        f"logs/{SCALE_NAME}/train_gan/{{row}}-{{seed}}.log",
    retries: SCALE.retries
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **RUNTIME,
        gpu=SCALE.gpus,
    params:
        scale=SCALE_NAME,
        data=subpath(input.manifest, parent=True),
        checkpoints=subpath(output.discriminator, parent=True),
        scratch=f"scratch/{SCALE_NAME}/{{row}}/seed-{{seed}}",
        hours=hours,
        settings=training,
        code=code_digest("training.generation:train"),
    shell:
        "python -m an train --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q} --data {params.data:q}"
        " --checkpoints {params.checkpoints:q} --events {output.events:q} --report {output.report:q}"
        " --scratch {params.scratch:q} --gpus {resources.gpu:q} {params.hours:q} &> {log:q}"
