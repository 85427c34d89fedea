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
        hours=HOURS,
        settings=training,
        code=provenance.code_digest("layers", "models", "training", "data/loading.py"),
    shell:
        "python -m an train --row {wildcards.row} --scale {params.scale} --seed {wildcards.seed} --data {params.data}"
        " --checkpoints {params.checkpoints} --events {output.events} --report {output.report}"
        " --scratch {params.scratch} --gpus {resources.gpu} {params.hours} &> {log}"
