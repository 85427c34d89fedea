GENERATORS = [RUN.snapshot(number) for number in range(SCALE.snapshots + 1)]
GENERATORS += [RUN.checkpoints / AVERAGED] if SCALE.ema else []


rule train_gan:
    input:
        rules.prepare_dataset.output,
    output:
        GENERATORS,
        RUN.checkpoints / "discriminator.pt",
        RUN.events,
        RUN.training,
    log:
        f"logs/{SCALE_NAME}/train_gan/{{row}}-{{seed}}.log",
    wildcard_constraints:
        row=rows_of("generation"),
    retries: SCALE.retries or None
    group:
        WITH_TRAINING
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **needs("train_gan", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        hours=hours,
        settings=training,
        code=code_digest("training.generation:train"),
    shell:
        "python -m an train --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " --gpus {resources.gpu:q} {params.hours:q} &> {log:q}"


use rule train_gan as train_inpainting with:
    input:
        rules.prepare_photographs.output,
    output:
        RUN.checkpoints / "generator.pt",
        RUN.checkpoints / "critics.pt",
        RUN.events,
        RUN.training,
    log:
        f"logs/{SCALE_NAME}/train_inpainting/{{row}}-{{seed}}.log",
    wildcard_constraints:
        row=rows_of("inpainting"),
    resources:
        **needs("train_inpainting", SCALE)._asdict(),
    params:
        code=code_digest("training.inpainting:train_inpainting"),


use rule train_gan as train_recall with:
    input:
        [],
    output:
        RUN.checkpoints / "network.pt",
        RUN.events,
        RUN.training,
    log:
        f"logs/{SCALE_NAME}/train_recall/{{row}}-{{seed}}.log",
    wildcard_constraints:
        row=rows_of("recall"),
    resources:
        **needs("train_recall", SCALE)._asdict(),
    params:
        code=code_digest("training.recall:train_recall"),
