INPAINTING_RUN = f"results/{SCALE_NAME}/{{inpainting_row}}/seed-{{seed}}"
INPAINTING_CHECKPOINTS = f"checkpoints/{SCALE_NAME}/{{inpainting_row}}/seed-{{seed}}"
COMPLETED = f"samples/{SCALE_NAME}/{{inpainting_row}}/seed-{{seed}}"
CONTROLS = f"samples/{SCALE_NAME}/controls"
TEST_IMAGES = [*(f"{number:03d}.png" for number in range(SCALE.inpainting.test_crops)), IMAGES]


rule prepare_photographs:
    output:
        manifest=f"{PHOTOGRAPHS}/manifest.json",
        arrays=expand(
            "{data}/{array}.npy",
            data=PHOTOGRAPHS,
            array=["train_pixels", "train_table", "heldout_images", "heldout_mask"],
        ),
    log:
        f"logs/{SCALE_NAME}/prepare_photographs.log",
    conda:
        "../../environment.yml"
    params:
        dataset=SCALE.inpainting.dataset,
        resolution=SCALE.inpainting.resolution,
        crops=SCALE.inpainting.test_crops,
        path=option("path", SCALE.inpainting.dataset_path),
        data=subpath(output.manifest, parent=True),
        code=code_digest("data.crop_preparation:prepare_crops"),
    shell:
        "python -m an prepare-photographs --dataset {params.dataset:q} --resolution {params.resolution:q}"
        " --test-crops {params.crops:q} {params.path:q} --data {params.data:q} &> {log:q}"


rule train_inpainting:
    input:
        manifest=rules.prepare_photographs.output.manifest,
        arrays=rules.prepare_photographs.output.arrays,
    output:
        generator=f"{INPAINTING_CHECKPOINTS}/generator.pt",
        critics=f"{INPAINTING_CHECKPOINTS}/critics.pt",
        events=f"{INPAINTING_RUN}/events.jsonl",
        report=f"{INPAINTING_RUN}/training.json",
    log:
        f"logs/{SCALE_NAME}/train_inpainting/{{inpainting_row}}-{{seed}}.log",
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
        checkpoints=subpath(output.generator, parent=True),
        scratch=f"scratch/{SCALE_NAME}/{{inpainting_row}}/seed-{{seed}}",
        hours=hours,
        settings=inpainting_training,
        code=code_digest("training.inpainting:train_inpainting"),
    shell:
        "python -m an train --row {wildcards.inpainting_row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " --data {params.data:q} --checkpoints {params.checkpoints:q} --events {output.events:q} --report {output.report:q}"
        " --scratch {params.scratch:q} --gpus {resources.gpu:q} {params.hours:q} &> {log:q}"


rule complete_heldout:
    input:
        manifest=rules.prepare_photographs.output.manifest,
        arrays=rules.prepare_photographs.output.arrays,
        generator=rules.train_inpainting.output.generator,
    output:
        expand("{folder}/{image}", folder=COMPLETED, image=TEST_IMAGES),
    log:
        f"logs/{SCALE_NAME}/complete_heldout/{{inpainting_row}}-{{seed}}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=ONE_GPU,
    params:
        scale=SCALE_NAME,
        data=subpath(input.manifest, parent=True),
        folder=lambda wildcards, output: os.path.dirname(output[0]),
        code=code_digest("sampling.inpainting:complete_heldout"),
    shell:
        "python -m an complete-heldout --row {wildcards.inpainting_row:q} --scale {params.scale:q} --data {params.data:q}"
        " --checkpoint {input.generator:q} --folder {params.folder:q} --gpus {resources.gpu:q} &> {log:q}"


rule complete_controls:
    input:
        manifest=rules.prepare_photographs.output.manifest,
        arrays=rules.prepare_photographs.output.arrays,
    output:
        expand(
            "{folder}/{kind}/{image}",
            folder=CONTROLS,
            kind=["truth", "input", "mean-colour", "biharmonic"],
            image=TEST_IMAGES,
        ),
    log:
        f"logs/{SCALE_NAME}/complete_controls.log",
    conda:
        "../../environment.yml"
    params:
        data=subpath(input.manifest, parent=True),
        folder=lambda wildcards, output: os.path.dirname(os.path.dirname(output[0])),
        code=code_digest("sampling.controls:complete_controls"),
    shell:
        "python -m an complete-controls --data {params.data:q} --folder {params.folder:q} &> {log:q}"


rule evaluate_completions:
    input:
        manifest=rules.prepare_photographs.output.manifest,
        arrays=rules.prepare_photographs.output.arrays,
        generator=rules.train_inpainting.output.generator,
        training=rules.train_inpainting.output.report,
        completed=rules.complete_heldout.output,
    output:
        f"{INPAINTING_RUN}/metrics.json",
    log:
        f"logs/{SCALE_NAME}/evaluate_completions/{{inpainting_row}}-{{seed}}.log",
    conda:
        "../../environment.yml"
    params:
        data=subpath(input.manifest, parent=True),
        folder=lambda wildcards, input: os.path.dirname(input.completed[0]),
        code=code_digest("evaluation.inpainting:evaluate_completions"),
    shell:
        "python -m an evaluate-completions --row {wildcards.inpainting_row:q} --seed {wildcards.seed:q}"
        " --data {params.data:q} --folder {params.folder:q} --checkpoint {input.generator:q} --training {input.training:q}"
        " --metrics {output:q} &> {log:q}"


rule evaluate_controls:
    input:
        manifest=rules.prepare_photographs.output.manifest,
        arrays=rules.prepare_photographs.output.arrays,
        completed=expand("{folder}/{{control}}/{image}", folder=CONTROLS, image=TEST_IMAGES),
    output:
        f"results/{SCALE_NAME}/controls/{{control}}.json",
    log:
        f"logs/{SCALE_NAME}/evaluate_controls/{{control}}.log",
    conda:
        "../../environment.yml"
    params:
        data=subpath(input.manifest, parent=True),
        folder=lambda wildcards, input: os.path.dirname(input.completed[0]),
        code=code_digest("evaluation.inpainting:evaluate_completions"),
    shell:
        "python -m an evaluate-completions --row {wildcards.control:q} --data {params.data:q} --folder {params.folder:q}"
        " --metrics {output:q} &> {log:q}"
