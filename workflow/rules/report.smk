rule render_quality_table:
    input:
        lambda wildcards: of_runs([RUN.metrics, RUN.classes], "generation", int(wildcards.table)),
        STUDY.reference,
    output:
        multiext(str(STUDY.table("{table,1|2|4}")), *TABLE_FILES),
    log:
        f"logs/{SCALE_NAME}/render_table{{table}}.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        rows=lambda wildcards: table_labels(int(wildcards.table)),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "dataset", "evaluation"),
        code=code_digest("reporting.render:render", files=("reporting/page.html",)),
    shell:
        "python -m an table --table {wildcards.table:q} --scale {params.scale:q} &> {log:q}"


use rule render_quality_table as render_inpainting_table with:
    input:
        of_runs(RUN.metrics, "inpainting"),
        [STUDY.control(name) for name in CONTROL_ROWS],
    output:
        multiext(str(STUDY.table("{table,3}")), *TABLE_FILES),
    localrule: True
    params:
        settings=section("description", "caution") + section("dataset", "resolution", of=SCALE.inpainting),


use rule render_quality_table as render_timing_table with:
    input:
        STUDY.timing,
    output:
        multiext(str(STUDY.table("{table,5}")), *TABLE_FILES),
    localrule: True
    params:
        settings=section("description", "caution", "timing"),


use rule render_quality_table as render_recall_table with:
    input:
        of_runs(RUN.metrics, "recall"),
    output:
        multiext(str(STUDY.table("{table,6}")), *TABLE_FILES),
    localrule: True
    params:
        settings=section("description", "caution"),


rule draw_figure9:
    input:
        rules.complete_controls.output,
        expand(rules.complete_heldout.output, row=["ca", "an-inpainting"], seed=SCALE.seeds[0]),
    output:
        STUDY.figure(9),
    log:
        f"logs/{SCALE_NAME}/draw_figure9.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        seed=SCALE.seeds[0],
        code=code_digest("reporting.figures:figure9"),
    shell:
        "python -m an figure --figure 9 --scale {params.scale:q} --seed {params.seed:q} &> {log:q}"


rule draw_figure10:
    input:
        expand(RUN.example, row=params.load_rows("recall"), seed=SCALE.recall.seeds[0]),
    output:
        STUDY.figure(10),
    log:
        f"logs/{SCALE_NAME}/draw_figure10.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        seed=SCALE.recall.seeds[0],
        rows=table_labels(6),
        code=code_digest("reporting.figures:figure10"),
    shell:
        "python -m an figure --figure 10 --scale {params.scale:q} --seed {params.seed:q} &> {log:q}"


rule summarise_scores:
    input:
        of_runs(RUN.metrics, "generation"),
        of_runs(RUN.metrics, "inpainting"),
        of_runs(RUN.metrics, "recall"),
    output:
        STUDY.summary,
    log:
        f"logs/{SCALE_NAME}/summarise_scores.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        code=code_digest("reporting.summary:summarise_scores"),
    shell:
        "python -m an summarise --scale {params.scale:q} &> {log:q}"


rule render_index:
    input:
        of_runs([RUN.metrics, RUN.classes], "generation"),
        of_runs(RUN.metrics, "inpainting"),
        of_runs(RUN.metrics, "recall"),
        where_any("generation", STUDY.reference),
        where_any("inpainting", [STUDY.control(name) for name in CONTROL_ROWS]),
        STUDY.timing,
        [STUDY.figure(number) for number in FIGURES],
    output:
        STUDY.page,
    log:
        f"logs/{SCALE_NAME}/render_index.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        rows=json.dumps([table_labels(table) for table in TABLES]),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "dataset", "evaluation"),
        kept=kept_digest(),
        code=code_digest("reporting.render:render_index", files=("reporting/page.html",)),
    shell:
        "python -m an index --scale {params.scale:q} &> {log:q}"
