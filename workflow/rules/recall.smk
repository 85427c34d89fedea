RECALL_RUN = f"results/{SCALE_NAME}/{{recall_row}}/seed-{{seed}}"
RECALL_CHECKPOINTS = f"checkpoints/{SCALE_NAME}/{{recall_row}}/seed-{{seed}}"


rule train_recall:
    output:
        network=f"{RECALL_CHECKPOINTS}/network.pt",
        events=f"{RECALL_RUN}/events.jsonl",
        report=f"{RECALL_RUN}/training.json",
    log:
        f"logs/{SCALE_NAME}/train_recall/{{recall_row}}-{{seed}}.log",
    retries: SCALE.retries
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **RUNTIME,
        gpu=SCALE.gpus,
    params:
        scale=SCALE_NAME,
        checkpoints=subpath(output.network, parent=True),
        scratch=f"scratch/{SCALE_NAME}/{{recall_row}}/seed-{{seed}}",
        hours=hours,
        settings=recall_training,
        code=code_digest("training.recall:train_recall"),
    shell:
        "python -m an train --row {wildcards.recall_row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " --checkpoints {params.checkpoints:q} --events {output.events:q} --report {output.report:q}"
        " --scratch {params.scratch:q} --gpus {resources.gpu:q} {params.hours:q} &> {log:q}"


rule evaluate_recall:
    input:
        network=rules.train_recall.output.network,
        training=rules.train_recall.output.report,
    output:
        metrics=f"{RECALL_RUN}/metrics.json",
        example=f"{RECALL_RUN}/example.json",
    log:
        f"logs/{SCALE_NAME}/evaluate_recall/{{recall_row}}-{{seed}}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=ONE_GPU,
    params:
        scale=SCALE_NAME,
        settings=json.dumps(SCALE.recall.test_images),
        code=code_digest("evaluation.recall:evaluate_recall"),
    shell:
        "python -m an evaluate-recall --row {wildcards.recall_row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " --checkpoint {input.network:q} --training {input.training:q} --metrics {output.metrics:q}"
        " --example {output.example:q} --gpus {resources.gpu:q} &> {log:q}"
