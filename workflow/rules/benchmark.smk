rule time_modules:
    output:
        STUDY.timing,
    log:
        f"logs/{SCALE_NAME}/time_modules.log",
    localrule: SMALL
    conda:
        "../../environment.yml"
    resources:
        **needs("time_modules", SCALE)._asdict(),
    params:
        scale=SCALE_NAME,
        settings=section("timing"),
        code=code_digest("evaluation.timing:time_modules"),
    shell:
        "python -m an time --scale {params.scale:q} --gpus {resources.gpu:q} &> {log:q}"
