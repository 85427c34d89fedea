rule generate_samples:
    input:
        rules.prepare_dataset.output,
        GENERATORS,
    output:
        RUN.images,
        f"{RUN.images}.json",
        RUN.snapshot_images,
        *AVERAGED_IMAGES,
    log:
        f"logs/{SCALE_NAME}/generate_samples/{{row}}-{{seed}}.log",
    wildcard_constraints:
        row=rows_of("generation"),
    group:
        MEASUREMENT
    conda:
        "../../environment.yml"
    resources:
        **needs("generate_samples", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        settings=section("samples", "snapshot_samples", "batch", of=SCALE.evaluation),
        code=code_digest("sampling.generation:generate"),
    shell:
        "python -m an generate --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " --gpus {resources.gpu:q} &> {log:q}"


TEST_IMAGES = [*(f"{number:03d}.png" for number in range(SCALE.inpainting.test_crops)), IMAGES]


rule complete_heldout:
    input:
        rules.prepare_photographs.output,
        rules.train_inpainting.output[0],
    output:
        [RUN.samples / image for image in TEST_IMAGES],
    log:
        f"logs/{SCALE_NAME}/complete_heldout/{{row}}-{{seed}}.log",
    wildcard_constraints:
        row=rows_of("inpainting"),
    group:
        MEASUREMENT
    conda:
        "../../environment.yml"
    resources:
        **needs("complete_heldout", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        code=code_digest("sampling.inpainting:complete_heldout"),
    shell:
        "python -m an complete-heldout --row {wildcards.row:q} --scale {params.scale:q} --seed {wildcards.seed:q}"
        " --gpus {resources.gpu:q} &> {log:q}"


rule complete_controls:
    input:
        rules.prepare_photographs.output,
    output:
        [STUDY.controls / kind / image for kind in ["truth", "input", *CONTROL_ROWS] for image in TEST_IMAGES],
    log:
        f"logs/{SCALE_NAME}/complete_controls.log",
    localrule: SMALL
    conda:
        "../../environment.yml"
    resources:
        **needs("complete_controls", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        code=code_digest("sampling.controls:complete_controls"),
    shell:
        "python -m an complete-controls --scale {params.scale:q} &> {log:q}"
