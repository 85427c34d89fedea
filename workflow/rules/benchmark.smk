rule time_modules:
    output:
        f"results/{SCALE_NAME}/timing.json",
    log:
        f"logs/{SCALE_NAME}/time_modules.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=ONE_GPU,
    params:
        scale=SCALE_NAME,
        settings=section("timing"),
        code=provenance.code_digest("evaluation/timing.py", "layers"),
    shell:
        "python -m an time --scale {params.scale} --out {output} --gpus {resources.gpu} &> {log}"
